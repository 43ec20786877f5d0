"""The simulator against closed forms, and its parts against what they promise."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.scaling.forecast import DAY_S, DayProfile, Rise
from models.scaling.loads import LoadTimes, read_percentiles
from models.scaling.placement import copies
from models.scaling.policies import Deciding, Fixed, InHand, rise
from models.scaling.popularity import PRIOR, Popularity
from models.scaling.simulate import Observation, Outcome, World, simulate
from models.scaling.snapshot import Demand, Terms, Waiting
from models.scaling.trace import Trace, generate, read_trace

NO_LOADS = LoadTimes((0.0,), (0.0,), (0.0,))
LOADS = LoadTimes((2.0,), (20.0,), (4.0,))


def trace_of(arrival_s: list[float], service_s: float, models: list[int] | None = None) -> Trace:
    count = len(arrival_s)
    return Trace(
        np.array(arrival_s),
        np.full(count, service_s),
        np.array(models or [0] * count),
        np.zeros(count, dtype=np.bool_),
    )


def poisson(rate: float, mean_service_s: float, count: int) -> Trace:
    rng = np.random.default_rng(0)
    return Trace(
        np.cumsum(rng.exponential(1 / rate, count)),
        rng.exponential(mean_service_s, count),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.bool_),
    )


def test_one_replica_is_the_queue_of_erlang() -> None:
    # M/M/1 at 70 % load: the mean time in the system is 10 s / (1 - 0.7).
    world = World(NO_LOADS, startup_s=0, min_replicas=1)
    outcome = simulate(poisson(0.07, 10.0, 40_000), Fixed(1), world)

    assert outcome.latency_s.mean() == pytest.approx(10 / 0.3, rel=0.1)


def test_ten_replicas_wait_as_erlang_c_says() -> None:
    # M/M/10 at load 8: probability of waiting 0.4092, mean wait 0.4092 * 10 s / (10 - 8).
    world = World(NO_LOADS, startup_s=0, min_replicas=10)
    outcome = simulate(poisson(0.8, 10.0, 60_000), Fixed(10), world)
    wait_s = outcome.latency_s - outcome.service_s

    assert wait_s.mean() == pytest.approx(0.4092 * 10 / 2, rel=0.12)


def test_replicas_cost_from_asking_to_the_end() -> None:
    outcome = simulate(trace_of([0.0], 3600.0), Fixed(2), World(NO_LOADS, startup_s=1800))

    assert outcome.latency_s[0] == 5400
    assert outcome.gpu_hours == pytest.approx(2 * 1.5)


def test_a_model_is_loaded_from_storage_once_then_kept() -> None:
    trace = trace_of([0, 100, 200, 300], 10, [1, 1, 2, 1])
    outcome = simulate(trace, Fixed(1), World(LOADS, startup_s=0))

    assert outcome.latency_s.tolist() == [30, 10, 30, 12]
    assert outcome.swaps == {"none": 1, "host": 1, "coming": 0, "storage": 2, "ahead": 0}


def test_a_request_goes_where_its_model_is() -> None:
    trace = trace_of([100, 100, 200, 200], 10, [1, 2, 2, 1])
    outcome = simulate(trace, Fixed(2), World(LOADS, startup_s=0))

    assert outcome.latency_s.tolist() == [30, 30, 10, 10]


def test_a_request_waits_for_a_busy_replica_that_has_its_model_where_a_load_takes_longer() -> None:
    # Ten seconds of work; a load takes 20. The third finds that the one who has its model works.
    trace = trace_of([0, 100, 101, 102, 103], 10, [1, 1, 1, 1, 1])
    latencies = {
        waits: simulate(trace, Fixed(2), World(LOADS, startup_s=0, waits=waits)).latency_s.tolist()
        for waits in (False, True)
    }

    # The last would come after two others, and is done sooner by a load.
    assert latencies == {False: [30, 10, 30, 18, 27], True: [30, 10, 19, 28, 30]}


def test_nobody_waits_for_a_replica_that_has_the_model_where_none_has() -> None:
    trace = trace_of([0, 100, 101], 10, [1, 1, 2])
    outcome = simulate(trace, Fixed(2), World(LOADS, startup_s=0, waits=True))

    assert outcome.latency_s.tolist() == [30, 10, 30]


def test_where_requests_are_few_long_memories_say_what_is_popular() -> None:
    popularity = Popularity()
    for _ in range(9):
        popularity.note(1)
    popularity.shares(DAY_S / 2)
    popularity.note(2)

    of_day = 9 * math.exp(-0.5) / (9 * math.exp(-0.5) + 1)
    after_one_request = PRIOR / (1 + PRIOR)  # which the shorter spans have seen of model 2 alone
    share = popularity.shares(DAY_S / 2)[1]
    assert share == pytest.approx(of_day * after_one_request**2, rel=1e-6)


def test_where_requests_are_many_the_shortest_memory_rules() -> None:
    popularity = Popularity()
    for model in (1, 2):
        popularity.shares(model * 3600.0)
        for _ in range(300):
            popularity.note(model)

    assert popularity.shares(2 * 3600.0)[2] > 0.99
    assert popularity.shares(60 * DAY_S) == {}


def test_what_is_popular_is_loaded_ahead_into_other_replicas() -> None:
    trace = trace_of([0, 31, 100, 100], 10, [1, 1, 1, 1])
    cold = simulate(trace, Fixed(2), World(LOADS, startup_s=0))
    warm = simulate(trace, Fixed(2), World(LOADS, startup_s=0, loads_ahead=True))

    assert cold.latency_s.tolist() == [30, 10, 10, 30]
    assert warm.latency_s.tolist() == [30, 10, 10, 12]
    assert warm.swaps["ahead"] == 1


def test_a_request_joins_the_load_that_is_on_its_way() -> None:
    outcome = simulate(trace_of([0, 20], 10, [1, 1]), Fixed(2), World(LOADS, 0, loads_ahead=True))

    assert outcome.latency_s.tolist() == [30, 10 + 2 + 10]  # loading ahead began at 10 s
    assert outcome.swaps["coming"] == 1


def test_what_drains_still_costs_and_finishes() -> None:
    class Shrinking:
        def __call__(self, seen: object) -> int:
            return 2 if getattr(seen, "now_s", 0) < 20 else 1

    outcome = simulate(trace_of([0, 0], 3600), Shrinking(), World(NO_LOADS, startup_s=0))

    assert outcome.latency_s.tolist() == [3600, 3600]
    assert outcome.gpu_hours == pytest.approx(2.0)
    assert outcome.changes == 1


def test_a_waiting_request_loses_the_hand_over_and_a_warm_fleet_no_start() -> None:
    world = World(NO_LOADS, startup_s=60, handover_s=1.5, warm=True)
    outcome = simulate(trace_of([1, 1, 100], 10), Fixed(1), world)

    assert outcome.latency_s.tolist() == [10, 21.5, 10]


def test_the_first_replicas_that_are_added_start_as_they_are_said_to() -> None:
    world = World(NO_LOADS, startup_s=60, startups_s=(5, 20), warm=False)
    outcome = simulate(trace_of([0, 0, 0], 100), Fixed(3), world)

    assert outcome.latency_s.tolist() == [105, 120, 160]


def test_an_idle_replica_costs_until_it_has_stopped() -> None:
    class Once:
        def __call__(self, seen: object) -> int:
            return 2 if getattr(seen, "now_s", 0) < 20 else 1

    world = World(NO_LOADS, startup_s=0, stop_s=36)
    outcome = simulate(trace_of([0], 3600), Once(), world)

    assert outcome.gpu_hours == pytest.approx(1 + (20 + 36) / 3600)


@pytest.mark.parametrize(("told_s", "heard_s"), [(0, 2), (1, 3), (1.5, 4), (2, 4)])
def test_a_policy_hears_of_the_queue_as_late_as_it_is_told(told_s: float, heard_s: float) -> None:
    heard = []

    class Listening:
        def __call__(self, seen: Observation) -> int:
            if seen.queued:
                heard.append((seen.now_s, seen.queued, seen.backlog_s))
            return 1

    # The second and the third of three requests at 1.7 s wait for the first.
    world = World(NO_LOADS, startup_s=0, tick_s=1, told_s=told_s)
    simulate(trace_of([1.7, 1.7, 1.7], 10), Listening(), world)

    assert heard[0] == (heard_s, 2, 20)


def test_the_policy_in_hand_grows_by_what_waits_alone() -> None:
    # Six requests at once on one replica: 1 in hand, 5 wait, for 10 s each, to be gone in 25 s.
    seen = Observation(0, 1, 1, 9.0, 9.0, 9.0, 50.0, 5.0, working=1.0, service_s=99.0, queued=5)
    terms = Terms(1, 9, headroom=0, slack=0, drain_s=25)

    assert InHand(terms)(seen) == 1 + 5 * 10 / 25


def waits(count: int, load: float = 4.0, seconds: float = 1.0) -> Demand:
    queue = (Waiting("draft", count, seconds),) if count else ()
    return Demand(Terms(1, 99), 4, load=load, backlog_s=count * seconds, waiting=queue)


def test_what_arrives_is_what_is_done_and_what_waits_more() -> None:
    rise = Rise(window_s=30)
    seen = [rise.arriving(now_s, waits(3 * now_s)) for now_s in range(40)]

    assert seen[0] == 4
    assert seen[30] == seen[39] == pytest.approx(4 + 3 - math.sqrt((4 + 3) / 30))


def test_a_queue_that_stays_or_shrinks_tells_of_no_more_arrivals() -> None:
    rise = Rise(window_s=30)
    rise.arriving(0, waits(50))

    assert [rise.arriving(n, waits(50 - n)) for n in range(1, 40)] == [4] * 39


def test_one_request_that_waits_is_chance() -> None:
    rise = Rise(window_s=30)
    rise.arriving(0, waits(0, load=1.0))

    assert rise.arriving(1, waits(1, load=1.0, seconds=20)) == 1


def test_a_step_is_met_sooner_by_what_arrives_than_by_what_waits_alone() -> None:
    at_s = [60.0 + n * 0.25 for n in range(480)]
    terms = Terms(1, 9, headroom=0.5, slack=0.25, hold_s=120)
    world = World(NO_LOADS, startup_s=10, tick_s=1, warm=True)
    step = trace_of(at_s, 1.0)
    with_rise, without = (
        simulate(step, InHand(terms, rise), world) for rise in (Rise(30), Rise(math.inf))
    )

    assert with_rise.wait_s(95) < 0.9 * without.wait_s(95)


def test_metrics_pushed_more_often_are_acted_upon_sooner() -> None:
    def p95(tick_s: float) -> float:
        world = World(NO_LOADS, startup_s=5, tick_s=tick_s, look_back_s=3 * tick_s, warm=True)
        policy = InHand(Terms(1, 9, drain_s=10))
        return simulate(trace_of([n * 1.0 for n in range(120)], 4.0), policy, world).wait_s(95)

    assert p95(2) < p95(10)


def decided(**terms: float) -> Outcome:
    trace = generate(1500, DAY_S / 4, np.random.default_rng(1))
    world = World(LoadTimes.draw(np.random.default_rng(2)), loads_ahead=True)
    return simulate(trace, Deciding(Terms(1, 64, **terms)), world)  # type: ignore[arg-type]


def test_headroom_buys_answers_in_time() -> None:
    lean, ample = decided(headroom=0.5), decided(headroom=4)

    assert ample.missed < lean.missed
    assert ample.gpu_hours > lean.gpu_hours


def test_the_same_seed_gives_the_same_run() -> None:
    assert decided(headroom=1).latency_s.tolist() == decided(headroom=1).latency_s.tolist()


def test_copies_go_to_the_popular_but_nobody_is_forgotten() -> None:
    assert copies({"a": 8.0, "b": 1.0, "c": 0.9}, 3, 2, 0.2) == {"a": 3, "b": 2, "c": 1}
    assert copies({"a": 1.0}, 2, 4, 0.5) == {"a": 2}
    assert copies({}, 2, 4, 0.5) == {}


def test_a_usual_hour_is_expected_again() -> None:
    profile = DayProfile()
    for step in range(int(DAY_S / 10) + 61):
        at_s = step * 10.0
        profile.learn(at_s, 5.0 if 3600 <= at_s % DAY_S < 4200 else 1.0)

    assert profile.expect(DAY_S + 3700) == 5.0
    assert profile.expect(DAY_S + 8000) == 1.0
    assert DayProfile().expect(0) is None


def test_a_superposed_trace_keeps_its_mix_and_its_order() -> None:
    trace = generate(200, DAY_S, np.random.default_rng(3))
    triple = trace.times(3, np.random.default_rng(4))

    assert len(triple) == 600
    assert (np.diff(triple.arrival_s) >= 0).all()
    assert np.bincount(triple.model).tolist() == (3 * np.bincount(trace.model)).tolist()


def test_the_generator_draws_a_day_with_a_peak_and_a_few_popular_models() -> None:
    trace = generate(20_000, 4 * DAY_S, np.random.default_rng(5))
    hourly = np.bincount((trace.arrival_s // 3600).astype(int), minlength=96)
    shares = np.sort(np.bincount(trace.model, minlength=76))[::-1] / 20_000

    assert 2 < hourly.max() / hourly.mean() < 5
    assert 0.55 < shares[:3].sum() < 0.75


HEADER = (
    "gmt_create,predict_type,predict_status,exec_time_seconds,num_images_per_prompt,"
    "checkpoint_model_version_id,num_lora\n"
)


def test_a_file_is_read_with_the_lower_quartile_as_work(tmp_path: Path) -> None:
    rows = [f"2024-11-19 00:{n:02}:00,T,SUCCEED,{n + 1},1,M1,{n % 2}" for n in range(41)]
    rows += ["2024-11-18 23:00:00,T,SUCCEED,9,1,M2,0", "2024-11-19 01:00:00,T,FAILED,9,1,M1,0"]
    path = tmp_path / "trace.csv"
    path.write_text(HEADER + "\n".join(reversed(rows)))
    trace = read_trace(path, datetime(2024, 11, 19, tzinfo=UTC))

    assert len(trace) == 41
    assert trace.arrival_s.tolist() == [60.0 * n for n in range(41)]
    assert trace.service_s[:2].tolist() == [11.0, 11.5]


def test_percentiles_become_draws_of_two_modes(tmp_path: Path) -> None:
    series = {
        "base_model_load": {"percentiles_ms": {"0": 2000, "50": 4000, "51": 20000, "100": 40000}},
        "lora_load": {"percentiles_ms": {"0": 4000, "100": 4000}},
    }
    path = tmp_path / "latency.json"
    path.write_text(json.dumps({"series": series}))
    times = LoadTimes.draw(np.random.default_rng(0), *read_percentiles(path))

    assert 2 <= min(times.host_s) < max(times.host_s) < 10 < max(times.storage_s) <= 40
    assert set(times.lora_s) == {4.0}


def test_a_rise_is_expected_to_go_on_and_chance_is_not() -> None:
    def seen(load: float, recent: float) -> Observation:
        return Observation(0, 1, 1, 0.0, load, recent, 0.0, cold_start_s=105)

    # 90 s at 90 after 210 s at 60: the middles are 150 s apart, it goes on for 105 + 45 s.
    chance = math.sqrt(20 * (90 / 90 + 60 / 210))
    assert rise(seen((90 * 90 + 60 * 210) / 300, 90)) == pytest.approx(30 - chance / 2)
    assert rise(seen(60, 61)) == 0
    assert rise(seen(60, 40)) == 0


def test_who_expects_a_rise_to_go_on_asks_for_more() -> None:
    seen = Observation(0, 60, 60, 0.0, 69, 90, 0.0, 180)
    plain, eager = (Deciding(Terms(1, 999), trust=0, trend=trend)(seen) for trend in (0, 0.5))

    assert eager > plain
