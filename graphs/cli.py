"""The `orrery` command."""

import argparse
import sys
from collections.abc import Sequence

from graphs.commands import chaos, cluster, demo, doctor, keys, rollout, serve, simulate
from graphs.commands.failure import Failure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; errors that the user can mend end with one line and status 2."""
    parser = argparse.ArgumentParser(prog="orrery", description="Self-hosted AI services")
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (serve, doctor, keys, demo, simulate, cluster, rollout, chaos):
        command.add_parser(subcommands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except Failure as failure:
        print(f"orrery: {failure}", file=sys.stderr)  # noqa: T201 - this is the user interface
        return 2


if __name__ == "__main__":
    sys.exit(main())
