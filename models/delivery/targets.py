"""Which asset a request target names."""

import re

from models.core.artifacts import ASSET_ROUTE

_TARGET = re.compile(rf"{re.escape(ASSET_ROUTE)}([0-9a-f]{{64}})(?:\?.*)?", re.DOTALL)


def asset_of(target: str) -> str | None:
    """The id in a target as it came over the wire, not decoded; `None` for anything else.

    Nothing is normalised: a target with dots, escapes or a NUL is simply no asset.
    """
    match = _TARGET.fullmatch(target)
    return match[1] if match else None
