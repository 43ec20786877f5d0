"""URLs that grant one asset until a moment, for readers that send no key, such as `<video>`.

Knowing a hash grants nothing; knowing such a URL grants what its owner may see.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode

from models.core.artifacts import ASSET_ROUTE
from models.delivery.targets import asset_of

_FIELDS = {"expires", "owner", "signature"}


class Grant(NamedTuple):
    """Whose asset a signed URL opens."""

    asset_id: str
    owner: str


def signed_target(grant: Grant, *, expires_at: datetime, key: bytes) -> str:
    """Path and query that open an asset until `expires_at`.

    Args:
        grant: The asset, and the owner whose record is served.
        expires_at: With its time zone; whole seconds count.
        key: At least 32 random bytes, the same on every node.
    """
    expires = int(expires_at.timestamp())
    signature = _signature(grant, expires, key)
    query = urlencode({"expires": expires, "owner": grant.owner, "signature": signature})
    return f"{ASSET_ROUTE}{grant.asset_id}?{query}"


def checked_grant(target: str, *, now: datetime, key: bytes) -> Grant | None:
    """What a target as it came over the wire opens; `None` if forged, expired or not signed."""
    asset_id = asset_of(target)
    fields = _fields_of(target)
    if asset_id is None or fields is None:
        return None
    expires = fields["expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 11):
        return None
    grant = Grant(asset_id, fields["owner"])
    expected = _signature(grant, int(expires), key)
    genuine = hmac.compare_digest(expected.encode(), fields["signature"].encode())
    return grant if genuine and now.astimezone(UTC).timestamp() < int(expires) else None


def _fields_of(target: str) -> dict[str, str] | None:
    try:
        values = parse_qs(
            target.partition("?")[2],
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=len(_FIELDS),
        )
    except ValueError:
        return None
    if values.keys() != _FIELDS:
        return None
    return {name: value for name, (value, *_) in values.items()}


def _signature(grant: Grant, expires: int, key: bytes) -> str:
    message = f"{grant.asset_id}\n{expires}\n{grant.owner}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()
