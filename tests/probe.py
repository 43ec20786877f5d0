"""A capability whose timing and failures a test chooses, served like any other."""

import os
import signal
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from graphs.entry import Entry, Table
from models.core import errors
from models.core.artifacts import Asset, Provenance
from models.core.capability import ModelCard, Run, Setup, Value

ERRORS = {error.code: error for error in errors.CapabilityError.__subclasses__()}


class ProbeRequest(Value):
    """What the probe should do."""

    sleep_s: float = Field(0, ge=0, le=60)
    fail: str | None = None
    die: Literal["once", "always"] | None = None
    keep: str | None = None
    fail_late: str | None = None
    show: str | None = None
    label: str = Field("probe", pattern=r"^[a-z0-9-]{1,40}$")


class ProbeResult(Value):
    """What it did."""

    pid: int
    owner: str
    request_id: str
    asset: Asset | None = None


class Probe:
    """Sleeps, fails, dies or keeps text, as asked; leaves a file for each end of a run."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def cards(self) -> tuple[ModelCard, ...]:
        return (ModelCard(name="probe", version="1", weights_sha256="0" * 64),)

    def run(self, request: ProbeRequest, run: Run) -> ProbeResult:
        self._mark(request, "started")
        self._die(request)
        if request.fail == "bug":
            raise RuntimeError("secret internals")
        if request.fail is not None:
            raise ERRORS[request.fail]("as asked", 7.2 if request.fail.endswith("able") else None)
        end = time.monotonic() + request.sleep_s
        while time.monotonic() < end:
            if run.cancelled():
                self._mark(request, "cancelled")
            run.check()
            run.progress(1 - (end - time.monotonic()) / request.sleep_s, "sleeping")
            if request.show is not None:
                run.preview(request.show.encode(), "text/plain")
            time.sleep(0.01)
        if request.fail_late is not None:
            raise ERRORS[request.fail_late]("as asked")
        self._mark(request, "finished")
        asset = None if request.keep is None else self._keep(request.keep, run)
        return ProbeResult(pid=os.getpid(), owner=run.owner, request_id=run.request_id, asset=asset)

    def _keep(self, text: str, run: Run) -> Asset:
        return self._setup.store.put(
            text.encode(),
            owner=run.owner,
            media_type="text/plain; charset=utf-8",
            filename="probe.txt",
            provenance=Provenance(capability="probe", backend="probe"),
        )

    def _die(self, request: ProbeRequest) -> None:
        once = self._path(request, "died")
        if request.die == "always" or (request.die == "once" and not once.exists()):
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def _path(self, request: ProbeRequest, what: str) -> Path:
        return self._setup.cache_dir / f"{request.label}.{what}"

    def _mark(self, request: ProbeRequest, what: str) -> None:
        self._path(request, what).write_text(str(time.time()))


PROBE = Entry(
    name="probe",
    title="A capability for tests",
    route="/api/v1/probe",
    model="tests.probe:Probe",
    request=ProbeRequest,
    result=ProbeResult,
    example={"sleep_s": 0},
    tables={"fruits": Table(ModelCard, lambda: (ModelCard(name="apple", version="1"),))},
)
