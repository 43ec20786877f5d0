"""Accepts, three-step workflows and event latency of the engine, beside raw DBOS, in one run.

Every store commits durably: SQLite in WAL with `synchronous=FULL`, PostgreSQL with fsync. The raw
figure is DBOS on the same database settings with a workflow of one step that does nothing. Each
measurement has a process of its own. Run: `python -m benchmarks.orchestrator [--postgres URL]`.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from dbos import DBOS, SetWorkflowID
from pydantic import JsonValue

from benchmarks.machine import report
from models.core.local_store import LocalArtifactStore
from models.workflow.checkpoints import configuration
from models.workflow.contract import Request, Service, StepContext
from models.workflow.database import Database
from models.workflow.engine import DurableEngine
from models.workflow.options import EngineOptions
from models.workflow.spec import Spec

CLIENTS = 32
WATCHED = 20
OWNER = "bench"


class NoSteps:
    """Steps that do nothing."""

    def services(self) -> Mapping[str, Service]:
        """The one service."""
        return {"no.op": Service("no.op", {}, {})}

    async def perform(
        self, uses: str, arguments: Mapping[str, JsonValue], context: StepContext
    ) -> JsonValue:
        """Nothing."""
        return None

    async def fingerprint(self, uses: str, arguments: Mapping[str, JsonValue]) -> str | None:
        """Nothing is remembered."""
        return None


def chain(length: int) -> Spec:
    """Tasks one after the other."""
    tasks = [
        {"id": f"t{n}", "uses": "no.op", "needs": [f"t{n - 1}"] if n else []} for n in range(length)
    ]
    return Spec.model_validate({"tasks": tasks})


def main() -> None:
    """Measure one thing, or all of them in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", help="URL of an empty database")
    parser.add_argument("--accepts", type=int, default=600)
    parser.add_argument("--only", choices=("ours", "raw", "watch"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        measure = {"ours": ours, "raw": raw, "watch": watch}[options.only]
        print(json.dumps(asyncio.run(measure(options.url, options.accepts))))
        return
    started = time.monotonic()
    figures: dict[str, object] = {"n": options.accepts}
    with tempfile.TemporaryDirectory(prefix="orrery-bench-") as folder:
        stores = {"sqlite": folder} | ({"postgres": options.postgres} if options.postgres else {})
        for store, place in stores.items():
            for kind in ("raw", "ours"):
                url = f"{place}/{kind}.db" if store == "sqlite" else place
                prefix = store if kind == "ours" else f"raw_dbos_{store}"
                found = _measured(kind, url, options.accepts)
                figures |= {f"{prefix}_{name}": value for name, value in found.items()}
                print(prefix, found, file=sys.stderr)
    report({**figures, "seconds": round(time.monotonic() - started, 1)})


def _measured(kind: str, url: str, accepts: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.orchestrator", "--only", kind, "--url", url]
    child = subprocess.run(
        [*command, "--accepts", str(accepts)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(child.stdout.strip().splitlines()[-1])
    return found


async def ours(url: str, accepts: int) -> dict[str, float]:
    """The engine."""
    with tempfile.TemporaryDirectory() as folder:
        store = LocalArtifactStore(Path(folder), min_free_bytes=0)
        options = EngineOptions(url, max_active_runs=10**6, min_free_bytes=0)
        engine = DurableEngine(options, NoSteps(), store, lambda: None)
        await engine.start()

        async def accept(name: str, length: int = 1) -> None:
            await engine.submit(Request(name, OWNER, chain(length)))

        async def finish(name: str) -> None:
            await accept(name, 3)
            async for _ in engine.events(name, OWNER):
                pass

        figures = await _accepts(accept, accepts)
        await _until_idle(engine)
        three = [f"three-{n}" for n in range(accepts // 4)]
        figures["three_step_per_s"] = round(len(three) / await _clients(finish, three), 1)
        figures["event_p99_ms"] = await _event_p99_ms(engine)
        figures |= await _watched_elsewhere(engine, url)
        await engine.close()
    return figures


async def _watched_elsewhere(engine: DurableEngine, url: str) -> dict[str, float]:
    """Another process reads the events of runs that this one executes."""
    command = [sys.executable, "-m", "benchmarks.orchestrator", "--only", "watch", "--url", url]
    reader = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert reader.stdout is not None
    await reader.stdout.readline()  # it is ready
    for number in range(WATCHED):
        await engine.submit(Request(f"far-{number}", OWNER, chain(3)))
        async for _ in engine.events(f"far-{number}", OWNER):
            pass
    found: dict[str, float] = json.loads(await reader.stdout.readline())
    await reader.wait()
    return found


async def watch(url: str, _accepts: int) -> dict[str, float]:
    """The other process: from the moment an event is written to the moment it is read here."""
    late_ms = []
    with tempfile.TemporaryDirectory() as folder:
        store = LocalArtifactStore(Path(folder), min_free_bytes=0)
        options = EngineOptions(url, min_free_bytes=0)
        engine = DurableEngine(options, NoSteps(), store, lambda: None)
        await engine.start()
        print("ready", flush=True)
        for number in range(WATCHED):
            while await engine.status(f"far-{number}", OWNER) is None:  # noqa: ASYNC110 - a benchmark may poll
                await asyncio.sleep(0.005)
            late_ms += [
                1000 * (time.time() - event.at.timestamp())
                async for event in engine.events(f"far-{number}", OWNER)
            ]
        await engine.close()
    return {"event_other_process_p99_ms": _percentile(late_ms, 0.99)}


async def _until_idle(engine: DurableEngine) -> None:
    while engine.active_runs:  # noqa: ASYNC110 - a benchmark may poll
        await asyncio.sleep(0.05)


async def _event_p99_ms(engine: DurableEngine) -> float:
    """From the moment an event is written to the moment a reader has it."""
    late_ms = []
    for number in range(30):
        name = f"watched-{number}"
        await engine.submit(Request(name, OWNER, chain(3)))
        late_ms += [
            1000 * (time.time() - event.at.timestamp())
            async for event in engine.events(name, OWNER)
        ]
    return _percentile(late_ms, 0.99)


async def raw(url: str, accepts: int) -> dict[str, float]:
    """DBOS without us."""
    database = Database(url)
    engine = database.new_engine()
    DBOS(config=configuration(database, engine, "bench"))

    async def nothing() -> None:
        return None

    @DBOS.workflow(name="raw")
    async def workflow(payload: dict[str, JsonValue]) -> None:
        await DBOS.run_step_async({"name": "t0"}, nothing)

    DBOS.launch()
    payload = chain(1).to_json()

    async def accept(name: str) -> None:
        with SetWorkflowID(f"raw-{name}"):
            await DBOS.start_workflow_async(workflow, payload)

    figures = await _accepts(accept, accepts)
    await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=60)
    engine.dispose()
    database.close()
    return figures


async def _accepts(accept: Callable[[str], Awaitable[None]], count: int) -> dict[str, float]:
    idle_ms = []
    for number in range(50):
        began = time.perf_counter()
        await accept(f"idle-{number}")
        idle_ms.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(0.05)
    seconds = await _clients(accept, [f"many-{number}" for number in range(count)])
    return {
        "accepts_per_s": round(count / seconds, 1),
        "accept_p50_ms": _percentile(idle_ms, 0.5),
        "accept_p99_ms": _percentile(idle_ms, 0.99),
    }


async def _clients(work: Callable[[str], Awaitable[None]], names: list[str]) -> float:
    """Seconds that the clients need for all of it, each one thing at a time."""
    left = list(names)

    async def client() -> None:
        while left:
            await work(left.pop())

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return time.perf_counter() - began


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


if __name__ == "__main__":
    main()
