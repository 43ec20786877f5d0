"""The application with one capability whose work is to sleep, so that replicas cost no processor."""

import os
import time

from pydantic import Field
from ray.serve import Application

from graphs.app import assemble
from graphs.entry import Entry
from graphs.settings import Settings
from models.core.capability import ModelCard, Run, Setup, Value

POLL_S = 0.02


class NapRequest(Value):
    """How long to sleep."""

    seconds: float = Field(ge=0, le=60)


class NapResult(Value):
    """When it slept, on the machine's monotonic clock, and which process did."""

    began_s: float
    ended_s: float
    replica: int


class Nap:
    """Sleeps, as a model on a GPU of its own would keep this machine's processor free."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def cards(self) -> tuple[ModelCard, ...]:
        """No model stands behind it."""
        return (ModelCard(name="nap", version="1"),)

    def run(self, request: NapRequest, run: Run) -> NapResult:
        """Sleep, and wake when nobody waits any more."""
        started = time.monotonic()
        while (left_s := started + request.seconds - time.monotonic()) > 0:
            run.check()
            time.sleep(min(left_s, POLL_S))
        return NapResult(began_s=started, ended_s=time.monotonic(), replica=os.getpid())


NAP = Entry(
    name="nap",
    title="A capability that sleeps",
    route="/api/v1/nap",
    model="benchmarks.scaling_app:Nap",
    request=NapRequest,
    result=NapResult,
    example={"seconds": 0},
)


def build(settings: Settings) -> Application:
    """What `import_path` names."""
    return assemble((NAP,), settings)
