"""`orrery keys`: create, list and revoke API keys."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from graphs.catalogue import CATALOGUE
from graphs.commands.failure import Failure
from graphs.commands.terminal import say
from graphs.entry import by_deployment
from graphs.principals import EVERYTHING, add_key, read_keys, remove_key
from graphs.routes.tasks import SCOPE as WORKFLOW
from models.core.errors import ModelUnavailable

if TYPE_CHECKING:
    from graphs.commands.terminal import Subcommands

SCOPES = (EVERYTHING, "status", "assets", *by_deployment(CATALOGUE), WORKFLOW)


def add_parser(subcommands: "Subcommands") -> None:
    """Describe the subcommand."""
    parser = subcommands.add_parser("keys", help="create, list and revoke API keys")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="create a key and print it once")
    add.add_argument("--owner", required=True, help="tenant that owns what the key makes")
    add.add_argument("--name", help="name of the key; default: the owner")
    add.add_argument("--scope", action="append", choices=SCOPES, help="default: * (everything)")
    add.set_defaults(run=_add)
    actions.add_parser("list", help="show all keys but their secrets").set_defaults(run=_list)
    remove = actions.add_parser("remove", help="revoke a key at once")
    remove.add_argument("--name", required=True)
    remove.set_defaults(run=_remove)
    for action in actions.choices.values():
        action.add_argument("--file", type=Path, required=True, help="the key file")


def _add(options: argparse.Namespace) -> int:
    scopes = frozenset(options.scope or {EVERYTHING})
    try:
        key = add_key(options.file, options.name or options.owner, options.owner, scopes)
    except (ValueError, ModelUnavailable) as error:
        raise _failure(options.file, error) from error
    except OSError as error:
        raise Failure(f"{options.file} cannot be written: {error.strerror}") from error
    say(key)
    say(f"Shown only now. Start the service with ORRERY_KEYS_FILE={options.file.absolute()}")
    return 0


def _list(options: argparse.Namespace) -> int:
    try:
        keys = read_keys(options.file).keys
    except ModelUnavailable as error:
        raise _failure(options.file, error) from error
    for key in keys:
        say(f"{key.name}  owner={key.owner}  scopes={','.join(sorted(key.scopes))}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    try:
        remove_key(options.file, options.name)
    except (ValueError, ModelUnavailable) as error:
        raise _failure(options.file, error) from error
    except OSError as error:
        raise Failure(f"{options.file} cannot be written: {error.strerror}") from error
    return 0


def _failure(file: Path, error: Exception) -> Failure:
    """What the operator, who sees the file, is told."""
    if not isinstance(error, ModelUnavailable):
        return Failure(str(error))
    if not file.exists():
        return Failure(f"there is no {file}; `orrery keys add` creates it")
    return Failure(f"{file} is not a file of keys that `orrery keys add` made, or cannot be read")
