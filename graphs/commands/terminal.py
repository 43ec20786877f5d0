"""Words on the terminal."""

import argparse

Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no public name


def say(line: str = "") -> None:
    """Print a line for the user at once, also into a pipe."""
    print(line, flush=True)  # noqa: T201 - this is the user interface
