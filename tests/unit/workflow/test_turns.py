"""Who is next where many wait: the most urgent, and owners in turn."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.workflow.calls import Payload
from models.workflow.gate import Gate
from models.workflow.intake import Intake
from models.workflow.registry import Registered

Step = tuple[str, int]


async def order_of(steps: list[Step], places: int = 1) -> list[int]:
    """Numbers of steps (owner, priority) as a gate lets them in, all waiting for one to leave."""
    gate, seen = Gate(places), list[int]()
    first = asyncio.Event()

    async def hold() -> None:
        async with gate.place(0):
            await first.wait()

    async def enter(number: int, step: Step) -> None:
        async with gate.place(step[1], step[0]):
            seen.append(number)
            await asyncio.sleep(0)

    holding = [asyncio.create_task(hold()) for _ in range(places)]
    await asyncio.sleep(0)
    entering = [asyncio.create_task(enter(*one)) for one in enumerate(steps)]
    await asyncio.sleep(0)
    first.set()
    await asyncio.gather(*holding, *entering)
    return seen


async def test_one_step_does_not_wait_for_a_thousand_of_another_owner() -> None:
    order = await order_of([("a", 5)] * 1000 + [("b", 5)])

    assert order.index(1000) <= 1


async def test_urgency_goes_before_turns() -> None:
    order = await order_of([("a", 5), ("b", 5), ("a", 1), ("a", 1)])

    assert order == [2, 3, 1, 0]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.just(5)), max_size=20))
def test_each_owner_keeps_its_own_order_and_nobody_is_forgotten(steps: list[Step]) -> None:
    order = asyncio.run(order_of(steps))

    assert sorted(order) == list(range(len(steps)))
    for owner in "abc":
        own = [number for number in order if steps[number][0] == owner]
        assert own == sorted(own)


@given(st.integers(1, 6), st.integers(1, 6))
def test_with_n_owners_each_nth_place_is_ones_own(owners: int, each: int) -> None:
    order = asyncio.run(order_of([(str(n % owners), 5) for n in range(owners * each)]))

    for start in range(0, len(order), owners):
        assert {number % owners for number in order[start : start + owners]} == set(range(owners))


async def test_an_owner_has_a_share_of_the_places_in_each_capability() -> None:
    gate, go = Gate(8, share=2), asyncio.Event()

    async def step(owner: str, capability: str) -> None:
        async with gate.place(5, owner, capability):
            await go.wait()

    steps = [("a", "image")] * 5 + [("a", "video")] + [("b", "image")]
    tasks = [asyncio.create_task(step(*one)) for one in steps]
    await asyncio.sleep(0)

    assert (gate.running("a"), gate.waiting("a")) == (3, 3)
    assert (gate.running("b"), gate.waiting("b")) == (1, 0)
    tasks[-3].cancel()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [gate.running(o) + gate.waiting(o) for o in "ab"] == [0, 0]


async def test_a_step_that_gives_up_leaves_its_place_to_the_next() -> None:
    gate, go = Gate(1), asyncio.Event()

    async def step() -> None:
        async with gate.place(5, "a"):
            await go.wait()

    holding, impatient, patient = (asyncio.create_task(step()) for _ in range(3))
    await asyncio.sleep(0)
    impatient.cancel()
    holding.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    impatient.cancel()

    assert gate.running("a") == 1
    go.set()
    await patient
    assert gate.running("a") == 0


def run(number: int, owner: str, priority: int = 5) -> Registered:
    payload = Payload(owner=owner, spec={"priority": priority}, accepted_at=0.0)
    return Registered(str(number), owner, "", "", 0.0, payload)


@pytest.mark.parametrize("crowd", [1, 40])
async def test_a_late_run_begins_after_one_of_a_crowd(crowd: int) -> None:
    begun, both = list[str](), asyncio.Event()

    async def begin(one: Registered) -> None:
        begun.append(one.owner)
        await asyncio.sleep(0)
        if len(begun) == 1:
            intake.put(run(crowd, "late"))
        if len(begun) == crowd + 1:
            both.set()

    intake = Intake(begin, lambda: False)
    for number in range(crowd):
        intake.put(run(number, "crowd"))
    draining: asyncio.Task[Any] = asyncio.create_task(intake.drain())
    await both.wait()
    draining.cancel()

    assert begun.index("late") <= 2
    assert intake.owners == {}
