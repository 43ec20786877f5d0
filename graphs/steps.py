"""The capabilities of the catalogue as steps of a workflow."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue, ValidationError

from deployments.signs import Sign
from graphs.calls import Calls, ReplicaLost
from graphs.entry import Entry
from graphs.versions import Versions
from models.core.errors import InvalidInput, ModelUnavailable
from models.core.offer import lacking
from models.workflow.calls import Interrupted
from models.workflow.contract import Service, StepContext
from models.workflow.expressions import escape
from models.workflow.plan import foreseen, unconditional
from models.workflow.spec import Spec

ROUTE_PREFIX: Final = "/api/v1/"


def uses_of(entry: Entry) -> str:
    """How a graph names a capability: `image.generate` for `/api/v1/generate/image`."""
    words = [word for word in entry.route.removeprefix(ROUTE_PREFIX).split("/") if word[0] != "{"]
    verb = next((word for word in words if word != entry.served_by), "run")
    return f"{entry.served_by}.{verb}"


class CapabilitySteps:
    """`Steps` over the calls of the gateway.

    Args:
        catalogue: What is served.
        calls: Reaches it.
    """

    def __init__(self, catalogue: Sequence[Entry], calls: Calls) -> None:
        self._calls = calls
        self._entries = {uses_of(entry): entry for entry in catalogue}
        self._services = {uses: self._service(uses, e) for uses, e in self._entries.items()}
        self._versions = Versions(calls)

    def _service(self, uses: str, entry: Entry) -> Service:
        pace = self._calls.pace(entry.served_by)

        def check(arguments: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
            return _faults(entry, arguments)

        def repeatable(arguments: Mapping[str, JsonValue]) -> bool:
            seeded = "seed" not in entry.request.model_fields or arguments.get("seed") is not None
            return entry.deterministic and seeded

        return Service(
            uses=uses,
            takes=entry.request.model_json_schema(),
            gives=entry.result.model_json_schema(mode="serialization"),
            check=check,
            title=entry.title,
            repeatable=repeatable,
            typical_s=lambda: pace.service_s,
        )

    def services(self) -> Mapping[str, Service]:
        """All capabilities, by the names that graphs use."""
        return self._services

    def scope_of(self, uses: str) -> str:
        """What a key must cover to use a capability."""
        return self._entries[uses].served_by

    async def require(self, spec: Spec) -> None:
        """Refuse a graph that needs a model that is not here, as far as its text tells.

        Raises:
            ModelUnavailable: With what to do about it.
        """
        for task in unconditional(spec):
            entry = self._entries[task.uses]
            for arguments in foreseen(task, spec.inputs) if entry.asks is not None else ():
                reason = await self._refusal(entry, arguments)
                if reason is not None:
                    where = f"task {task.id!r}: " if len(spec.tasks) > 1 else ""
                    raise ModelUnavailable(f"{where}{reason}; see /api/v1/{entry.served_by}/models")

    async def _refusal(self, entry: Entry, arguments: Mapping[str, JsonValue]) -> str | None:
        """Why a call would fail for want of a model; a replica that is silent is not asked again."""
        wish = None if entry.asks is None else entry.asks(arguments)
        if wish is None or lacking(wish, await self._versions.cards(entry.served_by)) is None:
            return None
        # What was missing may have been installed since.
        return lacking(wish, await self._versions.cards(entry.served_by, age_s=0.0))

    async def perform(
        self, uses: str, arguments: Mapping[str, JsonValue], context: StepContext
    ) -> JsonValue:
        """Result of the capability, as JSON.

        Raises:
            Interrupted: Its replica died, and the work may be repeated.
            CapabilityError: As the capability ended.
        """
        entry = self._entries[uses]
        try:
            request = entry.request.model_validate(dict(arguments))
        except ValidationError as error:
            found = "; ".join(f"{where or '/'}: {why}" for where, why in _told(error)[:5])
            raise InvalidInput(found) from error
        await context.fence()

        def told(sign: Sign) -> None:
            context.progress(sign.fraction, sign.stage)
            if sign.preview is not None:
                context.preview(sign.preview, sign.media_type)

        try:
            result = await self._calls.run(entry, request, context.owner, context.key, told)
        except ReplicaLost as error:
            if not entry.idempotent:
                raise
            raise Interrupted(error.detail, error.retry_after_s) from error
        answer: JsonValue = result.model_dump(mode="json")
        return answer

    async def fingerprint(self, uses: str, arguments: Mapping[str, JsonValue]) -> str | None:
        """Identity of the models of a capability; `None` where results may differ, or none answers."""
        entry = self._entries[uses]
        if not self._services[uses].repeatable(arguments):
            return None
        return await self._versions.of(entry.served_by)


def _faults(entry: Entry, arguments: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    try:
        entry.request.model_validate(dict(arguments))
    except ValidationError as error:
        return _told(error)
    return []


def _told(error: ValidationError) -> list[tuple[str, str]]:
    """JSON Pointer and reason of each part of a validation error, without the values."""
    return [
        (
            "".join("/" + escape(str(part)) for part in found["loc"]),
            found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors(include_input=False)
    ]
