"""The engine as the gateway reaches it: through the orchestrator's handle."""

from collections.abc import AsyncIterator
from typing import Any

from ray import exceptions as ray_errors
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from graphs.calls import RESTART_S
from models.core.errors import CapabilityError, CapacityExceeded, UpstreamUnavailable
from models.workflow.contract import Event, Page, Query, Request, RunStatus, Submitted, Usage


class RemoteEngine:
    """An `Engine` in some replica of the orchestrator.

    Args:
        handle: Of the deployment.
    """

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 - handles are untyped
        self._handle = handle

    async def submit(self, request: Request) -> Submitted:
        """Accept a run durably; asked again after a lost replica, since its id makes it one run."""
        answer = await self._ask("submit", request)
        assert isinstance(answer, Submitted)  # noqa: S101 - a handle is untyped
        return answer

    async def status(self, run_id: str, owner: str) -> RunStatus | None:
        """State of a run."""
        answer = await self._ask("status", run_id, owner)
        assert isinstance(answer, RunStatus | None)  # noqa: S101 - a handle is untyped
        return answer

    async def find(self, query: Query) -> Page:
        """Runs of an owner."""
        answer = await self._ask("find", query)
        assert isinstance(answer, Page)  # noqa: S101 - a handle is untyped
        return answer

    async def usage(self, owner: str) -> Usage:
        """What an owner has under way."""
        answer = await self._ask("usage", owner)
        assert isinstance(answer, Usage)  # noqa: S101 - a handle is untyped
        return answer

    async def cancel(self, run_id: str, owner: str) -> bool:
        """Stop a run."""
        answer = await self._ask("cancel", run_id, owner)
        assert isinstance(answer, bool)  # noqa: S101 - a handle is untyped
        return answer

    async def retry(self, run_id: str, owner: str, from_task: str | None = None) -> str | None:
        """A new run that reuses what was finished."""
        answer = await self._ask("retry", run_id, owner, from_task)
        assert isinstance(answer, str | None)  # noqa: S101 - a handle is untyped
        return answer

    async def webhook_secret(self, owner: str) -> str:
        """The key that an owner's webhooks are signed with."""
        answer = await self._ask("webhook_secret", owner)
        assert isinstance(answer, str)  # noqa: S101 - a handle is untyped
        return answer

    async def events(self, run_id: str, owner: str, after: int = -1) -> AsyncIterator[Event]:
        """What happened after an event; goes on in another replica where one dies."""
        while True:
            stream = self._handle.options(stream=True).events.remote(run_id, owner, after)
            try:
                async for event in stream:
                    after = event.number
                    yield event
            except ray_errors.RayActorError:
                continue
            return

    async def _ask(self, method: str, *arguments: object) -> object:
        for attempt in (1, 2):
            try:
                answer = await getattr(self._handle, method).remote(*arguments)
            except BackPressureError as error:
                raise CapacityExceeded(
                    "too many requests for tasks; come back in 1 s", 1
                ) from error
            except (ray_errors.RayActorError, DeploymentUnavailableError) as error:
                if attempt == 2:
                    raise UpstreamUnavailable("the orchestrator restarts", RESTART_S) from error
                continue
            if isinstance(answer, CapabilityError):
                raise answer
            found: object = answer
            return found
        raise AssertionError("unreachable")
