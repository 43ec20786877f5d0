"""The step engine over a small network: who shares a forward, who waits, who leaves, what is kept."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from models.core.errors import CapacityExceeded, InvalidInput, ModelUnavailable
from models.image.diffusion.adapters import AdaptedNetwork, AdapterSet, LowRank
from models.image.diffusion.batching import next_batch
from models.image.diffusion.company import keep_apart
from models.image.diffusion.engine import StepEngine
from models.image.diffusion.forward import Forward
from models.image.diffusion.gauges import HostGauge
from models.image.diffusion.memory import RowBudget
from models.image.diffusion.running import (
    Conditioning,
    Event,
    Failed,
    Finished,
    Running,
    Stepped,
)

WIDTH = 8
PATIENCE_S = 60
"""For what comes at once, unless it never comes."""


class Descent:
    """A scheduler that walks against the prediction."""

    def scale_model_input(self, sample: torch.Tensor, _timestep: torch.Tensor) -> torch.Tensor:
        return sample

    def step(
        self, output: torch.Tensor, timestep: torch.Tensor, sample: torch.Tensor, **_: Any
    ) -> Any:
        clean = sample - output
        return SimpleNamespace(
            prev_sample=sample - output / (1 + timestep), pred_original_sample=clean
        )

    def add_noise(self, sample: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return sample + noise * t


class Net(nn.Module):
    """Two linear layers over the pixels; remembers its calls and may run out of memory."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.outer = nn.Linear(WIDTH, 16), nn.Linear(16, WIDTH)
        self.calls: list[list[float]] = []
        self.room = 1000
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()

    def forward(
        self, sample: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor, **_: Any
    ) -> tuple[torch.Tensor]:
        self.entered.set()
        self.gate.wait(PATIENCE_S)
        if len(sample) > self.room:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")
        self.calls.append(timestep.tolist())
        hidden = torch.tanh(self.inner(sample) + text.mean((1, 2))[:, None, None, None])
        return (self.outer(hidden),)


class Watched(Running):
    """A request whose events can be waited for."""

    def wait(self) -> Finished | Failed:
        while True:
            event = self.heard.get(timeout=PATIENCE_S)
            if not isinstance(event, Stepped):
                return event

    heard: "queue.SimpleQueue[Event]"


def request(steps: int = 3, rows: int = 2, seed: int = 0, side: int = 4, **fields: Any) -> Watched:
    generator = torch.Generator().manual_seed(seed)
    made = Watched(
        conditioning=Conditioning(torch.randn(rows, 2, 3, generator=generator)),
        scheduler=Descent(),
        timesteps=[torch.tensor(float(left)) for left in range(steps, 0, -1)],
        latents=torch.randn(1, 2, side, WIDTH, generator=generator),
        guidance=2.0,
        **fields,
    )
    made.heard = queue.SimpleQueue()
    made.tell = made.heard.put
    return made


Build = Callable[..., StepEngine]


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def engine(net: Net) -> Iterator[StepEngine]:
    budget = RowBudget(HostGauge(), lambda _rows, _area: None, most=8)
    made = StepEngine(Forward(net), budget)
    yield made
    net.gate.set()
    made.close()


def latents(event: Finished | Failed) -> torch.Tensor:
    assert isinstance(event, Finished), event
    return event.latents


def alone(engine: StepEngine, one: Watched) -> torch.Tensor:
    engine.admit(one)
    return latents(one.wait())


def together(net: Net, engine: StepEngine, requests: list[Watched]) -> list[Finished | Failed]:
    """Everyone is there before the first step: a first one holds the network until they are."""
    net.gate.clear()
    holder = request(steps=1, rows=1, side=2)
    net.entered.clear()
    engine.admit(holder)
    net.entered.wait(PATIENCE_S)
    for one in requests:
        engine.admit(one)
    net.gate.set()
    return [one.wait() for one in requests]


def test_requests_share_each_forward_and_leave_when_they_are_done(
    net: Net, engine: StepEngine
) -> None:
    together(net, engine, [request(steps=4), request(steps=2, rows=1), request(steps=3)])

    assert [len(times) for times in net.calls[1:]] == [5, 5, 4, 2]
    assert net.calls[1] == [4.0, 4.0, 2.0, 3.0, 3.0]


def test_a_newcomer_joins_at_the_next_step(net: Net, engine: StepEngine) -> None:
    net.gate.clear()
    first, late = request(steps=5), request(steps=2)
    engine.admit(first)
    net.entered.wait(PATIENCE_S)  # the engine is within the first step
    engine.admit(late)
    net.gate.set()
    first.wait()

    assert [len(times) for times in net.calls] == [2, 4, 4, 2, 2]


def test_a_picture_is_that_of_the_request_alone(net: Net, engine: StepEngine) -> None:
    single = [alone(engine, request(seed=seed, steps=2 + seed)) for seed in range(4)]
    shared = together(net, engine, [request(seed=s, steps=2 + s) for s in range(4)])

    for one, other in zip(single, shared, strict=True):
        torch.testing.assert_close(latents(other), one, atol=1e-5, rtol=1e-5)


def test_fixed_rows_make_the_bytes_independent_of_neighbours(net: Net, engine: StepEngine) -> None:
    seeds = range(5)
    single = [alone(engine, request(seed=s, steps=3 + s, fixed_rows=4)) for s in seeds]
    for order in (1, -1):
        crowd = [request(seed=s, steps=3 + s, fixed_rows=4) for s in seeds][::order]
        crowd += [request(seed=9, rows=1, steps=9)]
        shared = [latents(event) for event in together(net, engine, crowd)][:5][::order]

        assert all(torch.equal(a, b) for a, b in zip(single, shared, strict=True))
    assert {len(times) for times in net.calls[1:]} <= {1, 4}


def apart(device: str, **fields: Any) -> Watched:
    made = request(**fields)
    keep_apart(made, device, 4)
    return made


def test_on_a_gpu_who_must_be_reproducible_has_each_forward_to_itself(
    net: Net, engine: StepEngine
) -> None:
    crowd = [apart("cuda", steps=3), request(steps=3, rows=1), apart("cuda", steps=2, rows=1)]
    together(net, engine, [*crowd, request(steps=2, rows=1)])
    served = sorted(sorted(times) for times in net.calls[1:])

    # Those two who do not care still share theirs.
    assert served == [[1.0], [1.0], [1.0, 1.0], [1.0, 2.0], [2.0], [2.0, 2.0], [2.0, 3.0],
                      [3.0, 3.0]]  # fmt: skip
    assert engine.tally.padding == 0


def test_and_a_lack_of_memory_does_not_divide_its_rows(net: Net, engine: StepEngine) -> None:
    net.room = 1
    (event,) = together(net, engine, [apart("cuda")])

    assert isinstance(event, Failed)
    assert isinstance(event.error, CapacityExceeded)
    assert "reproducible" in str(event.error)


def test_on_a_processor_they_share_forwards_of_a_fixed_number(net: Net, engine: StepEngine) -> None:
    together(net, engine, [apart("cpu", steps=1, seed=s) for s in range(2)])

    assert [len(times) for times in net.calls[1:]] == [4]


def test_without_rows_for_all_the_oldest_go_on_but_every_first_step_comes_at_once(
    net: Net, engine: StepEngine
) -> None:
    crowd = [request(steps=3, seed=s) for s in range(6)]
    together(net, engine, crowd)

    assert [len(times) for times in net.calls[1:]] == [8, 8, 8, 8, 4]  # 36 rows
    assert [one.turn - 1 for one in crowd] == [3, 3, 4, 4, 5, 5]
    assert sorted(net.calls[2]) == [2.0] * 4 + [3.0] * 4


def test_steps_keep_nothing_for_gradients_whoever_takes_them(engine: StepEngine) -> None:
    one = request()
    engine.step([one])

    assert one.step == 1
    assert not one.latents.requires_grad


def test_priority_goes_first_then_the_deadline() -> None:
    soon = time.monotonic() + 5
    crowd = [request(), request(deadline=soon + 9), request(deadline=soon), request(priority=1)]

    assert next_batch(crowd, lambda _one: 6) == [crowd[3], crowd[2], crowd[1]]


def test_other_sizes_do_not_share_but_take_turns(net: Net, engine: StepEngine) -> None:
    together(net, engine, [request(steps=2, side=4), request(steps=2, side=6)])

    assert [times[0] for times in net.calls[1:]] == [2.0, 2.0, 1.0, 1.0]


def test_who_is_withdrawn_takes_no_further_step(net: Net, engine: StepEngine) -> None:
    net.gate.clear()
    stays, leaves = request(steps=4), request(steps=4)
    engine.admit(stays)
    engine.admit(leaves)
    net.entered.wait(PATIENCE_S)  # the engine is within the first step
    engine.withdraw(leaves)
    net.gate.set()
    stays.wait()

    assert leaves.step <= 1
    assert [len(times) for times in net.calls[1:]] == [2, 2, 2]


def test_an_overdue_request_is_told_so(engine: StepEngine) -> None:
    late = request(steps=5000, deadline=time.monotonic() + 0.05)
    engine.admit(late)
    event = late.wait()

    assert isinstance(event, Failed)
    assert isinstance(event.error, CapacityExceeded)


def test_memory_that_runs_out_halves_the_rows_and_loses_nothing(
    net: Net, engine: StepEngine
) -> None:
    expected = [alone(engine, request(seed=s)) for s in range(4)]
    net.calls.clear()
    net.room = 3
    events = together(net, engine, [request(seed=s) for s in range(4)])

    assert max(len(times) for times in net.calls) == 2
    for one, event in zip(expected, events, strict=True):
        torch.testing.assert_close(latents(event), one, atol=1e-5, rtol=1e-5)


def test_memory_for_not_even_one_row_ends_the_request_not_the_engine(
    net: Net, engine: StepEngine
) -> None:
    net.room = 0
    hopeless = request()
    engine.admit(hopeless)
    event = hopeless.wait()
    net.room = 1000

    assert isinstance(event, Failed)
    assert isinstance(event.error, CapacityExceeded)
    assert alone(engine, request()).shape == (1, 2, 4, WIDTH)


def test_a_fault_of_one_scheduler_ends_that_request_alone(net: Net, engine: StepEngine) -> None:
    faulty, sound = request(), request(seed=1)
    faulty.step_options = {"output": None}  # given twice
    events = together(net, engine, [faulty, sound])

    assert isinstance(events[0], Failed)
    assert isinstance(events[1], Finished)


def test_previews_are_estimates_of_the_clean_picture(engine: StepEngine) -> None:
    shown = request(steps=7, preview_every=3)
    engine.admit(shown)
    heard = [shown.heard.get(timeout=PATIENCE_S) for _event in range(8)]

    assert [e.step for e in heard if isinstance(e, Stepped) and e.estimate is not None] == [3, 6]


def test_a_closed_engine_sends_everyone_away(net: Net) -> None:
    budget = RowBudget(HostGauge(), lambda _rows, _area: None, most=8)
    engine = StepEngine(Forward(net), budget)
    waiting = request(steps=5000)
    engine.admit(waiting)
    engine.close()

    assert isinstance(waiting.wait(), Failed)
    with pytest.raises(ModelUnavailable):
        engine.admit(request())


def low_rank(seed: int, rank: int) -> dict[str, LowRank]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "inner": LowRank(
            torch.randn(rank, WIDTH, generator=generator),
            torch.randn(16, rank, generator=generator),
        )
    }


def test_each_row_has_its_own_adapters(net: Net) -> None:
    red, blue = low_rank(1, 3), low_rank(2, 6)
    sets = [AdapterSet.merged([(red, 0.5)]), AdapterSet.merged([(red, 1.0), (blue, -2.0)]), None]
    adapted = AdaptedNetwork(net)
    x = torch.randn(3, 5, WIDTH)
    with torch.no_grad(), adapted.adapted(sets):
        got = net.inner(x)
    with torch.no_grad():
        plain = net.inner(x)
    product = {name: part["inner"].up @ part["inner"].down for name, part in
               (("red", red), ("blue", blue))}  # fmt: skip
    delta = [0.5 * product["red"], product["red"] - 2 * product["blue"], 0 * product["red"]]
    want = torch.stack([row + value @ d.T for row, value, d in zip(plain, x, delta, strict=True)])

    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(net.inner(x), plain)
    assert torch.equal(got[2], plain[2])


def test_an_adapter_for_another_network_is_refused(net: Net) -> None:
    adapted = AdaptedNetwork(net)
    with pytest.raises(InvalidInput, match="absent"):
        adapted.check({"middle": low_rank(1, 2)["inner"]})
    with pytest.raises(InvalidInput, match="16x8"):
        adapted.check({"inner": LowRank(torch.zeros(2, 9), torch.zeros(16, 2))})


def test_rows_follow_from_the_memory_that_one_takes() -> None:
    class Gauge:
        def free_bytes(self) -> int:
            return 1000

        def peak_bytes(self, work: Callable[[], object]) -> int:
            rows, area = (int(n) for n in work())  # type: ignore[call-overload]
            return 50 + rows * area

    budget = RowBudget(Gauge(), lambda rows, area: (rows, area), most=64)

    assert budget.measure(100) == 100
    assert budget.bound(100) == 7  # (0.8 * 1000 - 50) // 100
    assert budget.bound(25) == 31
    assert budget.bound(10**6) == 1
    assert budget.halve(100) == 3
    assert budget.bound(10**6) == 1


def test_the_ledger_of_the_host_sees_the_largest_moment() -> None:
    def work() -> None:
        with torch.no_grad():
            a = torch.zeros(1000)
            b = a + 1
            c = b.view(10, 100).sum()
            del a, b
            c.add_(1)

    assert HostGauge().peak_bytes(work) == 8000 + 4
