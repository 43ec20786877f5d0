"""The service that chaos runs on: one capability that works for a while, then has an effect.

`build` is the `import_path` of its configuration.
"""

import time
from typing import Final

from pydantic import Field
from ray.serve import Application

from graphs.app import assemble
from graphs.chaos.service import NAME
from graphs.entry import Entry
from graphs.settings import Settings
from models.core.capability import ModelCard, Run, Setup, Value
from models.core.errors import InvalidInput
from models.core.outbound import OutboundClient

POLL_S: Final = 0.05


class DrillRequest(Value):
    """Work, then an effect or a failure."""

    intent: str = Field(min_length=1, max_length=100)
    work_s: float = Field(0.2, ge=0, le=60)
    fails: bool = False


class DrillResult(Value):
    """What was done."""

    intent: str


class Drill:
    """Makes effects in the ledger that its options name."""

    def __init__(self, setup: Setup) -> None:
        self._ledger = str(setup.options["ledger"])
        self._client = OutboundClient()

    def cards(self) -> tuple[ModelCard, ...]:
        """The one way to drill."""
        return (ModelCard(name=NAME, version="1"),)

    def run(self, request: DrillRequest, run: Run) -> DrillResult:
        """Work, then make the effect under the key of the step."""
        began = time.monotonic()
        while (elapsed_s := time.monotonic() - began) < request.work_s:
            run.check()
            run.progress(elapsed_s / request.work_s, "working")
            time.sleep(POLL_S)
        if request.fails:
            raise InvalidInput("it fails, as asked")
        headers = {"Idempotency-Key": run.request_id}
        body = {"intent": request.intent}
        self._client.request("POST", self._ledger, headers=headers, json=body, retry=True)
        return DrillResult(intent=request.intent)


ENTRY: Final = Entry(
    name=NAME,
    title="Work, then an effect that can be counted",
    route="/api/v1/drill",
    model="graphs.chaos.drill:Drill",
    request=DrillRequest,
    result=DrillResult,
    example={"intent": "one"},
)


def build(settings: Settings) -> Application:
    """The application: the drill, workflows, and nothing else."""
    return assemble((ENTRY,), settings)
