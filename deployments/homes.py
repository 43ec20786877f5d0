"""Where requests are at home: what Serve knows a replica to have in memory."""

import hashlib
import logging
from functools import cache
from typing import Any

logger = logging.getLogger(__name__)


def address(home: str) -> str:
    """What Serve knows a home by; its metrics show it, so that it names nothing."""
    return hashlib.sha256(home.encode()).hexdigest()[:16] if home else ""


def leave(replica: object, gone: str) -> None:
    """Let Serve know that a replica does not have something in memory any more.

    Serve itself only forgets the oldest of many, and offers no way to say so. Where its list cannot
    be reached any more, requests come to where their model was: later answers, no wrong ones.

    Args:
        replica: With a method that `serve.multiplexed` decorates.
        gone: An address.
    """
    known: Any = getattr(replica, "__serve_multiplex_wrapper", None)
    if known is None:  # nothing was told yet
        return
    try:
        if known.models.pop(gone, None) is not None:
            known._push_multiplexed_replica_info = True  # noqa: SLF001  # see above
    except AttributeError as error:
        _warn(str(error))


@cache
def _warn(reason: str) -> None:
    logger.warning("Serve cannot be told what left memory", extra={"why": reason})
