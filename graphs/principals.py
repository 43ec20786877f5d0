"""Who calls: API keys, their scopes, and the one local principal of a machine without keys."""

import hashlib
import hmac
import ipaddress
import json
import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from models.core.capability import LOCAL_OWNER, Value
from models.core.errors import Forbidden, ModelUnavailable, Unauthenticated

EVERYTHING: Final = "*"
KEY_PREFIX: Final = "orr_"
KEY_BITS: Final = 256
NAME: Final = r"^[A-Za-z0-9._-]{1,64}$"


class Principal(Value):
    """A caller: whose assets and tasks they see, and what they may do."""

    owner: str
    scopes: frozenset[str]
    key_name: str = LOCAL_OWNER

    def require(self, scope: str) -> None:
        """Refuse unless the scope is held.

        Raises:
            Forbidden: The key does not cover it.
        """
        if not self.scopes & {scope, EVERYTHING}:
            held = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(f"this key lacks the scope {scope!r}; it has: {held}")


LOCAL = Principal(owner=LOCAL_OWNER, scopes=frozenset({EVERYTHING}))


class StoredKey(Value):
    """A key as the file keeps it. 256 random bits need no slow hash."""

    name: str = Field(pattern=NAME)
    owner: str = Field(pattern=NAME)
    scopes: frozenset[str] = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created_at: datetime


class KeyFile(Value):
    """The whole file."""

    keys: tuple[StoredKey, ...] = ()


def digest(key: str) -> str:
    """SHA-256 of a key, hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> KeyFile:
    """Read a key file.

    Raises:
        ModelUnavailable: It cannot be read or is not a key file; nobody is let in meanwhile.
    """
    try:
        return KeyFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelUnavailable(
            f"the key file {path.name} cannot be used; ask the operator"
        ) from error


def add_key(path: Path, name: str, owner: str, scopes: frozenset[str]) -> str:
    """Append a new key to the file, creating it if need be, and return the key itself.

    Raises:
        ValueError: The name is taken, or it or the owner is malformed.
    """
    for what, text in (("name", name), ("owner", owner)):
        if re.fullmatch(NAME, text) is None:
            raise ValueError(
                f"the {what} must be 1 to 64 letters, digits, dots, dashes or underscores, "
                f"not {text!r}"
            )
    keys = read_keys(path).keys if path.exists() else ()
    if name in {key.name for key in keys}:
        raise ValueError(f"there is a key named {name!r} already; choose another --name")
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BITS // 8)
    stored = StoredKey(
        name=name, owner=owner, scopes=scopes, sha256=digest(key), created_at=datetime.now(UTC)
    )
    _write(path, KeyFile(keys=(*keys, stored)))
    return key


def remove_key(path: Path, name: str) -> None:
    """Drop a key from the file.

    Raises:
        ValueError: There is none of that name.
    """
    keys = read_keys(path).keys
    if name not in {key.name for key in keys}:
        raise ValueError(f"there is no key named {name!r}")
    _write(path, KeyFile(keys=tuple(key for key in keys if key.name != name)))


def _write(path: Path, content: KeyFile) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content.model_dump(mode="json"), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


class Doorkeeper:
    """Tells who sent a request.

    Args:
        keys_file: Read again whenever it changes, so that adding and revoking need no restart.
        allow_hosts: Accepted `Host` names while there are no keys.
    """

    def __init__(self, keys_file: Path | None, allow_hosts: tuple[str, ...]) -> None:
        self._path = keys_file
        self._allow_hosts = frozenset(host.lower() for host in allow_hosts)
        self._stamp: tuple[int, int] = (-1, -1)
        self._keys: tuple[StoredKey, ...] = ()

    @property
    def has_keys(self) -> bool:
        """Whether every caller needs a key."""
        return self._path is not None

    def admit(self, headers: Mapping[str, str], client_host: str | None) -> Principal:
        """The principal behind a request.

        Args:
            headers: Names in lower case.
            client_host: Address of the peer, if the server knows it.

        Raises:
            Unauthenticated: A key is required and none, or an unknown one, was given.
            Forbidden: There are no keys and the request is not from this machine.
        """
        if self._path is None:
            return self._local(headers, client_host)
        given = headers.get("x-api-key") or _bearer(headers.get("authorization", ""))
        if not given:
            raise Unauthenticated(
                "send your key as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
            )
        wanted = digest(given)
        found = [key for key in self._current() if hmac.compare_digest(key.sha256, wanted)]
        if not found:
            raise Unauthenticated("this key is not known here; ask the operator for a new one")
        return Principal(owner=found[0].owner, scopes=found[0].scopes, key_name=found[0].name)

    def _current(self) -> tuple[StoredKey, ...]:
        assert self._path is not None  # noqa: S101 - checked by the caller
        try:
            status = self._path.stat()
        except OSError as error:
            raise ModelUnavailable("the key file is missing; ask the operator") from error
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._keys, self._stamp = read_keys(self._path).keys, stamp
        return self._keys

    def _local(self, headers: Mapping[str, str], client_host: str | None) -> Principal:
        forwarded = headers.get("x-forwarded-for", "").split(",")[0].strip()
        for address in filter(None, (client_host, forwarded)):
            if not _is_loopback(address):
                raise Forbidden(
                    "no API keys are configured, so only this machine is served; create one with "
                    "`orrery keys add` and set ORRERY_KEYS_FILE"
                )
        # A page in a browser on this machine could otherwise reach us under a name that it
        # has pointed at 127.0.0.1 (DNS rebinding).
        host = headers.get("host", "").lower()
        name = host if host.endswith("]") else host.rsplit(":", 1)[0]
        if name and name not in self._allow_hosts:
            raise Forbidden(f"this host name is not served without API keys: {name[:80]!r}")
        return LOCAL


def _bearer(value: str) -> str:
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@lru_cache
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"
