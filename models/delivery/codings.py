"""Content codings: RFC 9110, sections 8.4 and 12.5.3."""

import re
from collections.abc import Mapping

from models.core.artifacts import Encoding
from models.delivery.conditions import names_weakly
from models.delivery.representation import Representation

_QUALITY = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.IGNORECASE)
_NAMES = {"x-gzip": "gzip"}


def qualities(accept_encoding: str) -> dict[str, float]:
    """The weight of each coding that is named; a malformed weight refuses its coding."""
    weights = {}
    for item in accept_encoding.split(","):
        name, *parameters = (word.strip(" \t") for word in item.split(";"))
        if name:
            name = name.lower()
            weights[_NAMES.get(name, name)] = _quality(parameters)
    return weights


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip is acceptable and weighs no less than identity."""
    if not accept_encoding:
        return False
    weights = qualities(accept_encoding)
    anything = weights.get("*", 0.0)
    gzip = weights.get("gzip", anything)
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def choose_encoding(headers: Mapping[str, str], representation: Representation) -> Encoding:
    """Select the form to answer with.

    Ranges are taken of the plain bytes, since clients inflate what they get and a slice of a gzip
    stream does not inflate, unless a validator shows that the client holds the gzip form.

    Args:
        headers: Of the request, names in lower case.
        representation: The asset.
    """
    if representation.gzip_bytes is None or not accepts_gzip(headers.get("accept-encoding")):
        return "identity"
    if "range" not in headers:
        return "gzip"
    etag = representation.etag("gzip")
    validators = ("if-range", "if-match", "if-none-match")
    holds_gzip = any(headers.get(name, "*") != "*" for name in validators) and any(
        names_weakly(headers.get(name, ""), etag) for name in validators
    )
    return "gzip" if holds_gzip else "identity"


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        match = _QUALITY.fullmatch(parameter.replace(" ", ""))
        return float(match[1]) if match else 0.0
    return 1.0
