"""A graph runs in order, survives crashes, and ends the same."""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from models.core.errors import CapacityExceeded, InvalidInput, UpstreamUnavailable
from models.workflow.calls import Interrupted
from models.workflow.contract import Event, Service, StepContext
from models.workflow.events import task_statuses
from models.workflow.interpreter import RunFailed
from models.workflow.spec import Spec
from tests.unit.workflow.memory import Crash, Machine, failing
from tests.unit.workflow.test_validation import echo, graphs

QUICK = {"max_attempts": 3, "backoff_s": 0}


def graph(*tasks: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"tasks": list(tasks), **more}


def starts(machine: Machine) -> list[str]:
    return [e.task or "" for e in machine.journal.events if e.name == "task.started"]


async def test_outputs_flow_along_references(machine: Machine) -> None:
    spec = graph(
        echo("a", **{"with": {"x": 2}}),
        echo("b", **{"with": {"y": "${{ tasks.a.outputs.echo.x }}"}}),
        outputs={"z": "${{ tasks.b.outputs.echo.y }}"},
    )

    assert await machine.run(spec) == {"z": 2}


async def test_branches_run_side_by_side(machine: Machine) -> None:
    met = asyncio.Barrier(2)

    async def meet(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        await asyncio.wait_for(met.wait(), 5)
        return {}

    machine.steps.work = {"a": meet, "b": meet}

    await machine.run(graph(echo("a"), echo("b")))


async def test_a_false_condition_skips_what_needs_the_task_as_well(machine: Machine) -> None:
    spec = graph(
        echo("a", **{"with": {"x": 2}}),
        echo("b", **{"if": "tasks.a.outputs.echo.x > 5"}),
        echo("c", needs=["b"]),
        outputs={"c": "${{ tasks.c.outputs }}"},
    )

    assert await machine.run(spec) == {"c": None}
    assert starts(machine) == ["a"]


async def test_each_item_of_a_list_is_a_call(machine: Machine) -> None:
    spec = graph(
        echo("a", **{"with": {"rows": [1, 2, 3]}}),
        echo("b", foreach="${{ tasks.a.outputs.echo.rows }}", **{"with": {"n": "${{ item }}"}}),
        outputs={"all": "${{ tasks.b.outputs[*].echo.n }}"},
    )

    assert await machine.run(spec) == {"all": [1, 2, 3]}
    assert sorted(machine.steps.calls) == ["r:a:0", "r:b:0", "r:b:1", "r:b:2"]


async def test_a_matrix_is_every_combination(machine: Machine) -> None:
    spec = graph(
        echo(
            "a",
            strategy={"matrix": {"x": [1, 2], "y": ["p", "q"]}},
            **{"with": {"at": "${{ matrix.x }}${{ matrix.y }}"}},
        ),
        outputs={"all": "${{ tasks.a.outputs[*].echo.at }}"},
    )

    assert await machine.run(spec) == {"all": ["1p", "1q", "2p", "2q"]}


async def test_more_items_than_allowed_fail_the_task(machine: Machine) -> None:
    spec = graph(
        echo("a", **{"with": {"rows": list(range(101))}}),
        echo("b", foreach="${{ tasks.a.outputs.echo.rows }}"),
    )

    with pytest.raises(RunFailed, match="101 items"):
        await machine.run(spec)


async def test_a_passing_failure_is_tried_again(machine: Machine) -> None:
    machine.steps.work = {"a": failing(UpstreamUnavailable("x"), RuntimeError("y"))}
    spec = graph(echo("a", retry=QUICK), outputs={"n": "${{ tasks.a.outputs.attempt }}"})

    assert await machine.run(spec) == {"n": 3}


async def test_attempts_end(machine: Machine) -> None:
    machine.steps.work = {"a": failing(*[UpstreamUnavailable("gone")] * 9)}

    with pytest.raises(RunFailed, match="gone"):
        await machine.run(graph(echo("a", retry=QUICK)))
    assert len(machine.steps.calls) == 3


async def test_a_wrong_input_is_not_tried_again(machine: Machine) -> None:
    machine.steps.work = {"a": failing(InvalidInput("no"))}

    with pytest.raises(RunFailed, match="no"):
        await machine.run(graph(echo("a", retry=QUICK)))
    assert len(machine.steps.calls) == 1


async def test_waiting_for_a_place_is_no_attempt(machine: Machine) -> None:
    machine.steps.work = {"a": failing(*[CapacityExceeded("full", 0.001)] * 5)}

    out = await machine.run(graph(echo("a"), outputs={"n": "${{ tasks.a.outputs.attempt }}"}))

    assert out == {"n": 1}


async def test_a_failure_does_not_stop_what_does_not_need_it(machine: Machine) -> None:
    machine.steps.work = {"a": failing(InvalidInput("no"))}

    with pytest.raises(RunFailed):
        await machine.run(graph(echo("a"), echo("b", needs=["a"]), echo("c")))
    assert sorted(starts(machine)) == ["a", "c"]


async def test_an_attempt_is_stopped_after_its_time(machine: Machine) -> None:
    async def sleep(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        await asyncio.sleep(10)
        return {}

    machine.steps.work = {"a": sleep}

    with pytest.raises(RunFailed, match="stopped after"):
        await machine.run(graph(echo("a", timeout_s=0.05)))


async def test_a_run_past_its_deadline_fails(machine: Machine) -> None:
    async def sleep(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        await asyncio.sleep(10)
        return {}

    machine.steps.work = {"a": sleep}

    with pytest.raises(RunFailed):
        await machine.run(graph(echo("a"), echo("b", needs=["a"]), deadline_s=0.05))


async def test_the_most_urgent_goes_first(machine: Machine) -> None:
    spec = graph(*(echo(f"t{n}", priority=n % 10) for n in range(100)))

    await machine.run(spec)

    waited = [int(name[1:]) % 10 for name in starts(machine)[64:]]
    assert waited == sorted(waited)


async def test_a_large_output_travels_as_an_artifact(machine: Machine) -> None:
    spec = graph(
        echo("a", **{"with": {"x": "y" * 100_000}}),
        echo("b", **{"with": {"x": "${{ tasks.a.outputs.echo.x }}"}}),
        outputs={"x": "${{ tasks.b.outputs.echo.x }}"},
    )

    assert await machine.run(spec) == {"x": "y" * 100_000}
    assert all(len(str(value)) < 1000 for value in machine.record.values())


async def test_progress_is_told_and_the_ending_is_the_last_word(machine: Machine) -> None:
    async def work(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        context.progress(0.5, "half")
        await asyncio.sleep(0.01)
        context.progress(0.9, "nearly")
        return {}

    machine.steps.work = {"a": work}
    await machine.run(graph(echo("a")))

    assert machine.journal.names() == ["task.started", "task.progress", "task.completed"]
    assert machine.journal.events[1].data == {"fraction": 0.5, "stage": "half"}


async def test_a_preview_is_seen_until_the_end(machine: Machine) -> None:
    large = bytes(range(256)) * 200

    async def show(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        context.progress(0.5, "drawing")
        context.preview(large if context.task_id == "b" else b"half", "image/png")
        # The journal tells nobody of its events.
        while not any(e.task == context.task_id and "preview" in e.data for e in told()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return {}

    def told() -> list[Event]:
        return [event for event in machine.journal.events if event.name == "task.progress"]

    machine.steps.work = {"a": show, "b": show}
    spec = graph(echo("a"), echo("b"))
    await machine.run(spec)

    before = [event for event in machine.journal.events if event.name != "task.completed"]
    during = {t.id: t for t in task_statuses(Spec.model_validate(spec), before, {})}
    after = task_statuses(Spec.model_validate(spec), machine.journal.events, {})
    assert during["a"].preview_url == "data:image/png;base64,aGFsZg=="
    assert during["b"].preview_url == f"/assets/{hashlib.sha256(large).hexdigest()}"
    assert [task.preview_url for task in after] == [None, None]


async def test_a_death_elsewhere_is_no_attempt_of_the_caller(machine: Machine) -> None:
    machine.steps.work["a"] = failing(Interrupted("gone"), Interrupted("gone"))

    outputs = await machine.run(graph(echo("a"), outputs={"n": "${{ tasks.a.outputs.attempt }}"}))

    assert outputs == {"n": 3}
    assert machine.journal.names().count("task.retrying") == 0


async def test_a_task_that_kills_whoever_does_it_is_given_up(machine: Machine) -> None:
    machine.steps.work["a"] = failing(*[Interrupted("gone")] * 20)

    with pytest.raises(RunFailed) as failed:
        await machine.run(graph(echo("a")))

    assert failed.value.failure.code == "poisoned"
    assert len(starts(machine)) == 10


async def test_a_result_is_remembered_where_the_service_repeats_itself(machine: Machine) -> None:
    machine.steps.known["any.echo"] = Service("any.echo", {}, {}, repeatable=lambda _a: True)
    spec = graph(echo("a", **{"with": {"x": 1}}), outputs={"x": "${{ tasks.a.outputs.echo.x }}"})

    first = await machine.run(spec)
    again = machine.fresh()
    second = await again.run(spec)
    refused = machine.fresh()
    await refused.run(spec | {"memoize": False})

    assert first == second == {"x": 1}
    assert again.journal.events[-1].data["memoized"] is True
    assert "memoized" not in refused.journal.events[-1].data
    assert len(machine.steps.calls) == 2


async def test_a_retry_reuses_what_was_finished(machine: Machine) -> None:
    spec = graph(echo("a"), echo("b", needs=["a"]))

    await machine.run(spec, reuse={"a:0": {"kept": 1}})

    assert machine.steps.calls == ["r:b:0"]


async def test_a_task_that_kills_its_process_is_given_up(machine: Machine) -> None:
    async def die(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        raise Crash

    machine.steps.work = {"a": die}
    for _ in range(10):
        with pytest.raises(Crash):
            await machine.run(graph(echo("a")))

    with pytest.raises(RunFailed, match="10 processes"):
        await machine.run(graph(echo("a")))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(graphs(), st.lists(st.integers(1, 20), max_size=3))
def test_random_crashes_change_nothing_but_the_time(
    machine: Machine, tasks: list[dict[str, Any]], crashes: list[int]
) -> None:
    last = tasks[-1]["id"]
    spec = graph(
        *({**t, "with": {"sum": [f"${{{{ tasks.{n}.outputs }}}}" for n in t["needs"]]}} for t in tasks),
        outputs={"last": f"${{{{ tasks.{last}.outputs }}}}"},
    )  # fmt: skip
    calm, rough = machine.fresh(), machine.fresh()
    calm.steps.calls.clear()

    expected = asyncio.run(calm.run(spec))
    for at in crashes:
        with contextlib.suppress(Crash):
            asyncio.run(rough.run(spec, crash_at=at))
    outputs = asyncio.run(rough.run(spec))

    assert outputs == expected
    ends = [e.task for e in rough.journal.events if e.name == "task.completed"]
    assert sorted(ends) == sorted(t["id"] for t in tasks), "each task ends exactly once"
    seen: set[str] = set()
    for event in rough.journal.events:
        needs = next(t["needs"] for t in tasks if t["id"] == event.task)
        assert seen >= set(needs), "no task starts before its needs have ended"
        if event.name == "task.completed":
            seen.add(event.task or "")
