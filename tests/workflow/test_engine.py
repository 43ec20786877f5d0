"""What the engine promises, on SQLite and on PostgreSQL."""

import asyncio
import base64
import pickle
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import DBOS
from pydantic import JsonValue

from models.core.artifacts import Provenance
from models.core.errors import (
    Conflict,
    InvalidInput,
    StorageFull,
    UnknownAsset,
    UpstreamUnavailable,
)
from models.core.local_store import LocalArtifactStore
from models.workflow.calls import Payload
from models.workflow.contract import Query, StepContext
from models.workflow.database import Database, executors
from models.workflow.registry import Registered, Registry
from models.workflow.spec import Spec
from tests.unit.workflow.memory import failing
from tests.unit.workflow.test_validation import echo
from tests.workflow.started import OWNER, Started

SPEC: dict[str, Any] = {
    "name": "two",
    "tasks": [echo("a", **{"with": {"x": 1}}), echo("b", needs=["a"])],
    "outputs": {"x": "${{ tasks.a.outputs.echo.x }}"},
}

MADE = Provenance(capability="any", backend="test")


def forever() -> tuple[asyncio.Event, asyncio.Event, Any]:
    """Work that goes on until it is stopped, and how to see that."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def work(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
            raise
        return {}

    return started, ended, work


async def test_a_run_ends_with_its_outputs(engine: Started) -> None:
    assert await engine.submit("r", SPEC) is True

    status = await engine.ended("r")

    assert (status.state, status.outputs, status.progress) == ("completed", {"x": 1}, 1.0)
    assert [(task.id, task.state, task.attempts) for task in status.tasks] == [
        ("a", "completed", 1),
        ("b", "completed", 1),
    ]
    assert status.tasks[0].outputs == {"echo": {"x": 1}}


async def test_unknown_is_not_running(engine: Started) -> None:
    started, _, engine.steps.work["a"] = forever()
    await engine.submit("r", SPEC)
    await asyncio.wait_for(started.wait(), 10)

    status = await engine.status("r")

    assert (status.state, status.tasks[0].state) == ("running", "running")
    assert status.eta_s is not None
    assert await engine.engine.status("other", OWNER) is None


async def test_what_a_fenced_process_still_does_ends_neither_step_nor_run(engine: Started) -> None:
    async def fenced(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        fence = sa.update(executors).where(executors.c.epoch == context.epoch).values(fenced=True)
        await asyncio.to_thread(engine.engine._database.transact, lambda c: c.execute(fence))
        return {}  # its record is refused

    for duty in engine.engine._background[:1]:
        duty.cancel()  # or this very process would take the run over
    engine.steps.work["a"] = fenced
    await engine.submit("r", SPEC)
    while not engine.lost:  # noqa: ASYNC110 - it is a list
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)

    assert await DBOS.list_workflow_steps_async("r") == []
    assert (await engine.status("r")).state == "running"


async def test_the_run_of_another_owner_is_unknown(engine: Started) -> None:
    await engine.submit("r", SPEC)
    await engine.ended("r")

    assert await engine.engine.status("r", "eve") is None
    assert [event async for event in engine.engine.events("r", "eve")] == []
    assert await engine.engine.cancel("r", "eve") is False
    assert await engine.engine.retry("r", "eve") is None
    assert (await engine.engine.find(Query("eve"))).runs == ()


async def test_the_same_run_is_accepted_once(engine: Started) -> None:
    assert await engine.submit("r", SPEC) is True
    assert await engine.submit("r", SPEC) is False
    await engine.ended("r")

    assert await engine.submit("r", SPEC) is False
    assert sorted(engine.steps.calls) == ["r:a:0", "r:b:0"]
    with pytest.raises(InvalidInput, match="another payload"):
        await engine.submit("r", SPEC | {"name": "other"})


async def test_of_equal_requests_at_once_one_is_accepted(engine: Started) -> None:
    created = await asyncio.gather(*(engine.submit("r", SPEC) for _ in range(8)))

    assert sorted(created) == [False] * 7 + [True]
    await engine.ended("r")
    assert sorted(engine.steps.calls) == ["r:a:0", "r:b:0"]


async def test_events_are_numbered_and_can_be_resumed(engine: Started) -> None:
    await engine.submit("r", SPEC)

    live = await engine.events("r")
    resumed = await engine.events("r", after=2)

    assert [event.number for event in live] == list(range(6))
    assert [event.name for event in live] == [
        "workflow.started",
        *["task.started", "task.completed"] * 2,
        "workflow.completed",
    ]
    assert resumed == live[3:]


async def test_cancelling_stops_the_step_that_runs(engine: Started) -> None:
    started, ended, engine.steps.work["a"] = forever()
    await engine.submit("r", SPEC)
    await asyncio.wait_for(started.wait(), 10)

    assert await engine.engine.cancel("r", OWNER) is True

    status = await engine.ended("r")
    assert (status.state, [task.state for task in status.tasks]) == ("cancelled", ["cancelled"] * 2)
    await asyncio.wait_for(ended.wait(), 5)
    listed = (await engine.engine.find(Query(OWNER, frozenset({"cancelled"})))).runs
    assert [run.run_id for run in listed] == ["r"]


async def test_an_ended_run_stays_as_it_ended(engine: Started) -> None:
    await engine.submit("r", SPEC)
    await engine.ended("r")

    await engine.engine.cancel("r", OWNER)

    assert (await engine.status("r")).state == "completed"


async def test_a_failure_is_told_and_a_retry_reuses_what_was_finished(engine: Started) -> None:
    engine.steps.work["b"] = failing(UpstreamUnavailable("gone", 2.0))
    await engine.submit("r", SPEC)
    failed = await engine.ended("r")

    again = await engine.engine.retry("r", OWNER)

    assert failed.state == "failed"
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.status) == ("upstream-unavailable", 503)
    assert again is not None
    status = await engine.ended(again)
    assert (status.state, status.retry_of, status.outputs) == ("completed", "r", {"x": 1})
    assert engine.steps.calls == ["r:a:0", "r:b:0", f"{again}:b:0"]
    from_a = await engine.engine.retry("r", OWNER, from_task="a")
    assert from_a is not None
    await engine.ended(from_a)
    assert f"{from_a}:a:0" in engine.steps.calls


async def test_a_run_under_way_cannot_be_retried(engine: Started) -> None:
    started, _, engine.steps.work["a"] = forever()
    await engine.submit("r", SPEC)
    await asyncio.wait_for(started.wait(), 10)

    with pytest.raises(Conflict):
        await engine.engine.retry("r", OWNER)


async def test_pages_show_every_run_once(engine: Started) -> None:
    for number in range(7):
        await engine.submit(f"r{number}", SPEC)
    for number in range(7):
        await engine.ended(f"r{number}")

    seen, cursor = list[str](), None
    while True:
        page = await engine.engine.find(Query(OWNER, limit=3, cursor=cursor))
        seen += [run.run_id for run in page.runs]
        cursor = page.cursor
        if cursor is None:
            break

    assert sorted(seen) == [f"r{number}" for number in range(7)]
    assert seen[0] == "r6"
    assert (await engine.engine.find(Query(OWNER, frozenset({"failed"})))).runs == ()
    assert len((await engine.engine.find(Query(OWNER, since=datetime.now(UTC)))).runs) == 0
    with pytest.raises(InvalidInput):
        await engine.engine.find(Query(OWNER, cursor="nonsense"))


async def test_a_full_disk_refuses_what_is_new_and_ends_what_was_accepted(engine: Started) -> None:
    if engine.engine._database.is_postgres:
        pytest.skip("its disk is not ours to watch")
    engine.steps.work["a"] = failing(StorageFull("no room for the picture"))
    await engine.submit("r", SPEC)
    engine.engine._busy._options = replace(engine.engine._options, min_free_bytes=2**60)

    with pytest.raises(StorageFull) as refused:
        await engine.submit("more", SPEC)

    assert refused.value.status == 507
    status = await engine.ended("r")
    assert (status.state, status.tasks[0].attempts) == ("completed", 1)


async def test_old_runs_are_forgotten(engine: Started) -> None:
    await engine.submit("r", SPEC)
    await engine.ended("r")
    await until_stored(engine, "r", "SUCCESS")

    assert await engine.engine.expire(3600) == 0
    assert await engine.engine.expire(-1) == 1
    assert await engine.engine.status("r", OWNER) is None
    assert (await engine.engine.find(Query(OWNER))).runs == ()


async def test_a_large_preview_is_an_asset_until_the_run_has_ended(
    engine: Started, tmp_path: Path
) -> None:
    store, seen = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0), asyncio.Event()

    async def work(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        result = bytes([len(context.task_id)]) * 40_000
        context.preview(result if context.task_id == "b" else b"passing" * 10_000, "image/png")
        await asyncio.wait_for(seen.wait(), 10)
        asset = store.put(
            result, owner=OWNER, media_type="image/png", filename="b.png", provenance=MADE
        )
        return {"made": asset.id}

    async def shown(task: int) -> str:
        for _ in range(500):
            url = (await engine.status("r")).tasks[task].preview_url
            if url is not None:
                return url.removeprefix("/assets/")
            await asyncio.sleep(0.02)
        raise AssertionError("no preview is shown")

    engine.steps.work |= {"a": work, "b": work}
    await engine.submit("r", SPEC | {"tasks": [echo("a"), echo("b")], "outputs": {}})
    passing, result = await shown(0), await shown(1)
    assert await engine.engine._previews.clear() == 0
    assert store.stat(passing, OWNER).is_passing
    seen.set()
    await engine.ended("r")

    assert await engine.engine._previews.clear() == 2

    assert store.stat(result, OWNER).asset.filename == "b.png", "it became a result"
    with pytest.raises(UnknownAsset):
        store.stat(passing, OWNER)
    assert await engine.engine._previews.clear() == 0


class Bomb:
    """Code that would run if it were unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("import builtins; builtins.exploded = True",))


async def test_a_pickled_row_is_refused_and_runs_nothing(engine: Started) -> None:
    await engine.submit("r", SPEC)
    await engine.ended("r")
    bomb = base64.b64encode(pickle.dumps(Bomb())).decode()
    database = engine.engine._database
    table = "dbos.workflow_status" if database.is_postgres else "workflow_status"
    inputs = sa.text(f"UPDATE {table} SET serialization = 'py_pickle', inputs = :bomb")  # noqa: S608
    database.transact(lambda c: c.execute(inputs, {"bomb": bomb}))

    with pytest.raises(TypeError, match="unreadable"):
        await engine.engine.status("r", OWNER)

    import builtins  # noqa: PLC0415

    assert not hasattr(builtins, "exploded")


async def test_only_json_is_stored(engine: Started) -> None:
    await engine.submit("r", SPEC)
    await engine.ended("r")
    database = engine.engine._database
    schema = "dbos." if database.is_postgres else ""
    query = "SELECT serialization FROM {0}workflow_status UNION SELECT serialization FROM {0}operation_outputs"

    kinds = database.transact(lambda c: set(c.execute(sa.text(query.format(schema))).scalars()))

    assert kinds <= {"portable_json", None}


async def test_a_run_that_was_dropped_is_run_again(engine: Started) -> None:
    await engine.submit("r", SPEC)
    await engine.ended("r")
    await until_stored(engine, "r", "SUCCESS")
    execute(engine, "UPDATE {0}workflow_status SET status = 'PENDING'")

    assert await engine.engine.reclaim() == []
    assert await engine.engine.reclaim() == ["r"]
    await until_stored(engine, "r", "SUCCESS")
    assert sorted(engine.steps.calls) == ["r:a:0", "r:b:0"], "from its checkpoints"


async def test_what_a_dead_process_accepted_begins_in_another(engine: Started) -> None:
    other = Registry(engine.engine._database, epoch=10**6)
    spec = Spec.model_validate(SPEC)
    payload = Payload(owner=OWNER, spec=spec.to_json(), accepted_at=1.0)
    await other.enter(Registered("r", OWNER, "two", "-", 1.0, payload))

    status = await engine.ended("r")

    assert status.state == "completed"
    assert sorted(engine.steps.calls) == ["r:a:0", "r:b:0"]


async def test_an_accepted_run_is_known_at_once_and_can_be_cancelled(engine: Started) -> None:
    _, _, engine.steps.work["a"] = forever()
    engine.engine._intake.put = lambda _run: None  # type: ignore[method-assign]  # it never begins
    await engine.submit("r", SPEC)

    listed = (await engine.engine.find(Query(OWNER, frozenset({"pending"})))).runs
    status = await engine.status("r")
    await engine.engine.cancel("r", OWNER)

    assert [run.run_id for run in listed] == ["r"]
    assert (status.state, status.tasks[0].state) == ("pending", "pending")
    assert (await engine.ended("r")).state == "cancelled"
    await until_stored(engine, "r", "CANCELLED")


async def test_runs_of_an_older_release_are_listed(engine: Started) -> None:
    await engine.submit("r", SPEC)
    await engine.ended("r")
    execute(
        engine, 'UPDATE {0}workflow_status SET attributes = \'{{"name": "two", "digest": "-"}}\''
    )
    execute(engine, "DELETE FROM orrery_runs")
    execute(engine, "UPDATE orrery_schema SET version = 1")

    Database(engine.engine._options.url).close()

    runs = (await engine.engine.find(Query(OWNER))).runs
    assert [(run.run_id, run.name, run.state) for run in runs] == [("r", "two", "completed")]


def execute(engine: Started, statement: str) -> None:
    """Change the database behind the engine's back; `{0}` is the schema of DBOS."""
    database = engine.engine._database
    text = sa.text(statement.format("dbos." if database.is_postgres else ""))
    database.transact(lambda c: c.execute(text))


async def until_stored(engine: Started, run_id: str, status: str) -> None:
    """The row of DBOS follows the event that ends the run."""
    for _ in range(250):
        row = await engine.engine._row(run_id, OWNER)
        if row is not None and row.status == status:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{run_id} is {row.status if row else 'unknown'}, not {status}")
