"""What the `orrery` command does, one file per subcommand."""
