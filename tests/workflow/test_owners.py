"""Owners have limits of their own and take turns, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from pydantic import JsonValue

from models.core.errors import CapacityExceeded
from models.workflow.contract import StepContext
from tests.unit.workflow.test_validation import echo
from tests.workflow.started import OWNER, Started
from tests.workflow.test_engine import SPEC, forever


async def test_too_many_runs_are_refused_for_now(engine: Started) -> None:
    _, _, engine.steps.work["a"] = forever()
    for number in range(50):
        await engine.submit(f"r{number}", SPEC)

    with pytest.raises(CapacityExceeded) as refused:
        await engine.submit("more", SPEC)
    assert refused.value.retry_after_s == 5.0


async def test_an_owner_with_too_many_runs_is_refused_and_another_is_not(engine: Started) -> None:
    engine.engine._busy._options = replace(engine.engine._options, max_runs_per_owner=3)
    _, _, engine.steps.work["a"] = forever()
    burst = [engine.submit(f"r{number}", SPEC) for number in range(5)]
    taken = await asyncio.gather(*burst, return_exceptions=True)
    refused = [one for one in taken if isinstance(one, CapacityExceeded)]

    assert len(refused) == 2
    assert "3 of your tasks are queued or running, and at most 3 may be" in refused[0].detail
    assert refused[0].retry_after_s == 5.0
    assert not await engine.submit("r0", SPEC)  # the same one again is no further one
    assert await engine.submit("other", SPEC, owner="eve")
    assert (await engine.engine.usage(OWNER)).tasks == 3
    assert (await engine.engine.usage("eve")).tasks == 1


async def test_one_run_does_not_wait_for_the_queue_of_another_owner(engine: Started) -> None:
    order = list[str]()

    async def work(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        order.append(context.owner)
        return {}

    async def wait_in_line(owner: str, count: int) -> None:
        async with asyncio.timeout(60):
            while gate.waiting(owner) < count:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    engine.steps.work["a"] = work
    gate, spec = engine.engine._gate, {"tasks": [echo("a")]}
    async with AsyncExitStack() as taken:
        for _ in range(engine.engine._options.max_steps - 1):
            await taken.enter_async_context(gate.place(0, "somebody"))
        async with gate.place(0, "somebody"):
            for number in range(20):
                await engine.submit(f"r{number}", spec)
            await wait_in_line(OWNER, 20)
            await engine.submit("late", spec, owner="eve")
            await wait_in_line("eve", 1)
        await engine.ended("late", owner="eve")
        for number in range(20):
            await engine.ended(f"r{number}")

    assert order.index("eve") <= 1
    assert len(order) == 21
