"""How a source can fail, in the terms that decide what happens next."""

from models.core.redaction import redacted_url

_LONGEST = 160


class SourceFailure(Exception):
    """A source has no candles to give.

    Args:
        detail: Shown in the provenance of the answer; holds no key.
        host_is_down: Others that ask the host now would fail too.
        retry_after_s: When the host wants to be asked again.
    """

    def __init__(
        self, detail: str, *, host_is_down: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.detail, self.host_is_down, self.retry_after_s = detail, host_is_down, retry_after_s


class NotListed(SourceFailure):
    """The source answered that it does not know the coin."""


def shown(text: str) -> str:
    """A library's message, short, its URLs without the values of secret parameters."""
    words = [redacted_url(word) if "://" in word else word for word in text.split()]
    return " ".join(words)[:_LONGEST]
