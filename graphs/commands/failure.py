"""What a subcommand raises when the user must act."""


class Failure(Exception):
    """Ends the command with one line that says what to do."""
