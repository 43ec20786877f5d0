"""Talks to Runway's API: make a task, ask for it, cancel it, fetch what it made."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import SecretStr

from models.core.errors import (
    CapabilityError,
    CapacityExceeded,
    InvalidInput,
    ModelUnavailable,
    UpstreamUnavailable,
)
from models.core.outbound import Limits, OutboundClient, Reply
from models.core.retry import parse_retry_after
from models.video.runway.options import RunwayOptions

API_VERSION: Final = "2024-11-06"
"""Of the interface; sent as `X-Runway-Version`."""
REFUSALS: Final = tuple(range(400, 500))
"""Statuses whose body says what was wrong."""
MAX_CLIP_BYTES: Final = 512 * 2**20
FETCH_S: Final = 600.0
ANSWER_S: Final = 60.0
SAID_CHARACTERS: Final = 300
BUSY_S: Final = 60.0

State: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled", "gone", "unknown"]
_STATES: Final[Mapping[str, State]] = {
    "PENDING": "waiting",
    "THROTTLED": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}


@dataclass(frozen=True)
class Status:
    """How far a task is.

    Attributes:
        state: In our words; `gone` if the provider knows of no such task.
        word: In the provider's.
        progress: 0-1, while it runs.
        credits: Charged, or estimated until it has ended.
        url: Of the clip, for a day or two.
        failure: The provider's code of what went wrong.
        said: And its words.
    """

    state: State
    word: str = ""
    progress: float = 0.0
    credits: float | None = None
    url: str | None = field(default=None, repr=False)
    failure: str = ""
    said: str = ""


class Provider:
    """The API at an address, under a key.

    Args:
        options: Where it is.
        key: Sent to it alone.
        client: Instead of one with the usual limits.
    """

    def __init__(
        self, options: RunwayOptions, key: SecretStr, client: OutboundClient | None = None
    ) -> None:
        self._base = options.base_url.rstrip("/")
        self._key = key
        self._client = client or OutboundClient(Limits(read_s=ANSWER_S, total_s=ANSWER_S))
        self._files = client or OutboundClient(
            Limits(read_s=ANSWER_S, total_s=FETCH_S, body_bytes=MAX_CLIP_BYTES)
        )

    def begin(self, kind: str, body: Mapping[str, Any]) -> str:
        """Make a task, once: another attempt could be charged twice.

        Args:
            kind: `text_to_video` or `image_to_video`.
            body: As the API wants it.

        Returns:
            Its id.

        Raises:
            InvalidInput: The provider refuses the request.
            ModelUnavailable: It refuses the key or the model, or the credits are used up.
            CapacityExceeded: It asks to come back later.
            UpstreamUnavailable: It does not answer as it should.
        """
        reply = self._ask("POST", f"/v1/{kind}", json=dict(body))
        if reply.status in REFUSALS:
            raise self._refused(reply)
        made = reply.json()
        task_id = made.get("id") if isinstance(made, dict) else None
        if not isinstance(task_id, str) or not task_id:
            raise UpstreamUnavailable("the provider took the request and named no task")
        return task_id

    def status(self, task_id: str) -> Status:
        """How far a task is; errors as of `begin`."""
        reply = self._ask("GET", f"/v1/tasks/{task_id}")
        if reply.status in (404, 410):
            return Status("gone")
        if reply.status in REFUSALS:
            raise self._refused(reply)
        told = reply.json()
        if not isinstance(told, dict):
            raise UpstreamUnavailable("the provider told nothing of the task")
        word = str(told.get("status"))[:40]
        output = told.get("output")
        url = output[0] if isinstance(output, list) and output else None
        return Status(
            state=_STATES.get(word, "unknown"),
            word=word,
            progress=min(1.0, max(0.0, _number(told.get("progress")) or 0.0)),
            credits=_credits(told.get("cost"), told.get("estimatedCost")),
            url=url if isinstance(url, str) else None,
            failure=str(told.get("failureCode") or ""),
            said=self._hidden(str(told.get("failure") or "")),
        )

    def cancel(self, task_id: str) -> None:
        """End a task, or drop what it made; one that is gone already is no error."""
        self._ask("DELETE", f"/v1/tasks/{task_id}")

    def fetch(self, url: str) -> bytes:
        """The clip behind a link; elsewhere only at public addresses, and without the key."""
        own = urlsplit(url)[:2] == urlsplit(self._base)[:2]
        return self._files.request("GET", url, from_caller=not own).body

    def _ask(self, method: str, path: str, **body: Any) -> Reply:  # noqa: ANN401  # of the client
        headers = {
            "Authorization": f"Bearer {self._key.get_secret_value()}",
            "X-Runway-Version": API_VERSION,
        }
        # A busy provider is asked again where that is free; a refused task is told to the caller.
        accept = tuple(s for s in REFUSALS if method == "POST" or s not in (408, 425, 429))
        return self._client.request(
            method, self._base + path, headers=headers, accept=accept, **body
        )

    def _refused(self, reply: Reply) -> CapabilityError:
        """The provider's error in our terms; of its words only those about the request."""
        said = ""
        with suppress(UpstreamUnavailable, AttributeError):  # from something before the API
            said = self._hidden(str(reply.json().get("error", "")))
        status = reply.status
        if status in (401, 403):
            return ModelUnavailable("the provider refuses the key; check runway_api_key")
        if status == 402 or "credits" in said.lower():
            return ModelUnavailable("the provider's credits are used up; buy some, then try again")
        if status in (408, 425, 429):
            wait_s = parse_retry_after(reply.headers.get("retry-after")) or BUSY_S
            return CapacityExceeded("the provider asks to come back later", wait_s)
        return InvalidInput(f"the provider refuses this: {said or status}")

    def _hidden(self, words: str) -> str:
        return words[:SAID_CHARACTERS].replace(self._key.get_secret_value(), "***")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _credits(*costs: object) -> float | None:
    """Of the first that is told: what was charged, or else the estimate."""
    told = (_number(cost.get("credits")) for cost in costs if isinstance(cost, dict))
    return next((number for number in told if number is not None), None)
