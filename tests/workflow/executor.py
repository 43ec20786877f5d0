"""An engine in a process of its own, driven through a pipe; tests kill and freeze it.

Its steps note each start and, after their sleep, make one effect under their key in a ledger
outside of the database of runs.
"""

import asyncio
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from models.core.local_store import LocalArtifactStore
from models.workflow.contract import Request, Service, StepContext
from models.workflow.engine import DurableEngine
from models.workflow.leases import LeaseTimes
from models.workflow.options import EngineOptions
from models.workflow.spec import Spec

TIMES = LeaseTimes(lease_s=2.0, heartbeat_s=0.3)
LOST = 70


class Ledger:
    """What really happened: starts and effects, each with the key and the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS notes (kind, key, epoch, pid)")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)

    def note(self, kind: str, key: str, epoch: int) -> None:
        connection = self._open()
        with connection:
            row = (kind, key, epoch, os.getpid())
            connection.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", row)
        connection.close()

    def keys(self, kind: str) -> list[str]:
        connection = self._open()
        rows = connection.execute("SELECT key FROM notes WHERE kind = ? ORDER BY rowid", (kind,))
        found = [str(row[0]) for row in rows]
        connection.close()
        return found


class LedgerSteps:
    """Sleeps as told, then makes its effect unless the lease is lost."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._service = Service("any.echo", {}, {})

    def services(self) -> Mapping[str, Service]:
        return {"any.echo": self._service}

    async def perform(
        self, uses: str, arguments: Mapping[str, JsonValue], context: StepContext
    ) -> JsonValue:
        self._ledger.note("start", context.key, context.epoch)
        sleep_s = arguments.get("sleep_s", 0.0)
        assert isinstance(sleep_s, int | float)
        await asyncio.sleep(sleep_s)
        await context.fence()
        self._ledger.note("effect", context.key, context.epoch)
        return {"key": context.key}

    async def fingerprint(self, uses: str, arguments: Mapping[str, JsonValue]) -> str | None:
        return None


async def answer(engine: DurableEngine, command: dict[str, Any]) -> dict[str, Any]:
    if command["do"] == "submit":
        request = Request(command["run"], "acme", Spec.model_validate(command["spec"]))
        return (await engine.submit(request)).model_dump()
    status = await engine.status(command["run"], "acme")
    return status.model_dump(mode="json") if status else {}


async def serve(url: str, folder: Path, commands: "Connection[Any, Any]") -> None:
    store = LocalArtifactStore(folder / "assets", min_free_bytes=0)
    steps = LedgerSteps(Ledger(folder / "ledger.db"))
    options = EngineOptions(url, min_free_bytes=0, times=TIMES)
    engine = DurableEngine(options, steps, store, lambda: os._exit(LOST))
    await engine.start()
    commands.send("ready")
    with suppress(EOFError):
        while True:
            commands.send(await answer(engine, await asyncio.to_thread(commands.recv)))
    await engine.close()


def main(url: str, folder: Path, commands: "Connection[Any, Any]") -> None:
    """Serve until the other end of the pipe is closed."""
    with (folder / "executors.log").open("a") as log:
        os.dup2(log.fileno(), 2)
    asyncio.run(serve(url, folder, commands))
