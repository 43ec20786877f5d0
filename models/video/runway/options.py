"""The engine's settings, `args.options.video.runway` of the configuration."""

from typing import Annotated

from pydantic import Field

from models.core.value import Value


class RunwayOptions(Value):
    """The provider, or another one that answers like it.

    Attributes:
        base_url: Where its API begins, without the version.
        poll_s: Between two questions about a task; the provider asks for five seconds or more.
        timeout_s: Longest wait for a clip; its task is found again by the next attempt.
        max_credits: Dearest clip: one that the provider estimates higher is cancelled at once.
    """

    base_url: Annotated[str, Field(pattern=r"^https?://[^?#@]+$")] = "https://api.dev.runwayml.com"
    poll_s: float = Field(5.0, gt=0, le=60)
    timeout_s: float = Field(1800.0, gt=0, le=24 * 3600)
    max_credits: float | None = Field(None, gt=0)
