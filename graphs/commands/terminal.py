"""Words on the terminal."""

import argparse
from typing import TypeAlias

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
"""What `add_subparsers` gives; the standard library has no public name for it."""


def say(line: str = "") -> None:
    """Print a line for the user at once, also into a pipe."""
    print(line, flush=True)  # noqa: T201 - this is the user interface
