"""Which addresses a caller's URL may lead to: only those of the public internet."""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from models.core.errors import InvalidInput, UpstreamUnavailable

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]

_TUNNELS = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "::/96")
)
"""IPv6 ranges that carry an IPv4 address inside."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for every address of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(item[4][0]) for item in found]


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet and names one machine."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return is_public(str(parsed.ipv4_mapped))
        if parsed.is_site_local or any(parsed in network for network in _TUNNELS):
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def checked_addresses(url: str, resolver: Resolver = resolve) -> tuple[str, ...]:
    """The addresses of a caller's URL, each of them public.

    Connect to one of these and never resolve again: the name may lead elsewhere by then.

    Raises:
        InvalidInput: The URL is not https, carries a user, or has an address that is not public.
        UpstreamUnavailable: The name cannot be resolved.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError as error:
        raise InvalidInput(f"not a URL: {error}; expected https://host/path") from error
    if parts.scheme != "https" or not host or "@" in parts.netloc:
        raise InvalidInput("expected https://host/path without a user name")
    try:
        addresses = tuple(dict.fromkeys(resolver(host, port)))
    except (OSError, UnicodeError) as error:
        raise UpstreamUnavailable(f"the name {host!r} cannot be resolved; check it") from error
    if not addresses or not all(is_public(address) for address in addresses):
        raise InvalidInput(f"{host!r} is not on the public internet; give a public https URL")
    return addresses
