"""The errors that callers see.

    CapabilityError
    ├── InvalidInput         422  the request cannot be served as written
    ├── TooLarge             413  the request exceeds a stated limit
    ├── Unauthenticated      401  no key, or one that is not known
    ├── Forbidden            403  the key does not cover this
    ├── UnknownAsset         404  no such thing, or not yours
    ├── Conflict             409  the state of the thing forbids it
    ├── CapacityExceeded     429  a queue is full; retry after the stated time
    ├── Cancelled            499  the caller left before the answer
    ├── UpstreamUnavailable  503  a provider or a replica did not answer
    ├── ModelUnavailable     503  weights, key or device are missing
    └── StorageFull          507  no room to keep the result

Anything else that leaves a capability is a bug of ours and becomes a 500.
"""

from typing import ClassVar


class CapabilityError(Exception):
    """The only kind of exception a caller sees.

    Args:
        detail: What was wrong, what was expected and what to do. Shown to the caller.
        retry_after_s: When a retry may succeed; `None` if it cannot.

    All state travels in `args`, so the error survives pickling between processes.
    """

    code: ClassVar[str] = "capability-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The capability failed"

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.detail


class InvalidInput(CapabilityError):
    """The request cannot be served as written."""

    code, status, title = "invalid-input", 422, "The request is not valid"


class TooLarge(CapabilityError):
    """The request exceeds a stated limit."""

    code, status, title = "too-large", 413, "The request is too large"


class Unauthenticated(CapabilityError):
    """No key was given, or one that is not known."""

    code, status, title = "unauthenticated", 401, "A valid API key is required"


class Forbidden(CapabilityError):
    """The caller is known but may not do this."""

    code, status, title = "forbidden", 403, "Not allowed"


class UnknownAsset(CapabilityError):
    """No such thing, or it belongs to somebody else."""

    code, status, title = "unknown-asset", 404, "Not found"


class Conflict(CapabilityError):
    """The state of the thing forbids the request."""

    code, status, title = "conflict", 409, "The request conflicts with the current state"


class CapacityExceeded(CapabilityError):
    """A queue is full or memory ran out; `retry_after_s` says when to come back."""

    code, status, title = "capacity-exceeded", 429, "Too many requests at the moment"


class Cancelled(CapabilityError):
    """The caller left before the answer; nobody reads this but the logs."""

    code, status, title = "cancelled", 499, "The request was cancelled"


class UpstreamUnavailable(CapabilityError):
    """A provider or a replica did not answer."""

    code, status, title = "upstream-unavailable", 503, "A service this needs is unavailable"


class ModelUnavailable(CapabilityError):
    """Weights, a key or a device are missing."""

    code, status, title = "model-unavailable", 503, "The model is not available"


class StorageFull(CapabilityError):
    """There is no room to keep the result."""

    code, status, title = "storage-full", 507, "No room to store the result"
