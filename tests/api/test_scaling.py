"""The routes of the autoscaler, and the policy that Serve's controller calls."""

import asyncio
import math
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import yaml
from ray.serve._private.common import DeploymentID, ReplicaID, TimeStampedValue
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from deployments import autoscaling, outstanding
from deployments import ledger as decisions
from deployments.autoscaling import Policy
from deployments.node_metrics import name_as_number
from deployments.outstanding import Outstanding
from deployments.serve_default import ServeDefault, context
from deployments.work import kinds_as_numbers
from models.scaling.forecast import DAY_S
from models.scaling.record import (
    DeploymentDecision,
    NodeLoad,
    ScalingDecision,
    ScalingHistory,
)
from models.scaling.simulate import Observation
from tests.api.conftest import IDLE, Api

ROOT = Path(__file__).resolve().parents[2]
NODE = "0123456789ab"
PLAIN = {"headroom": 0, "slack": 0, "hold_s": 0}


class Ledger:
    """Stands where the actor does, and answers at once."""

    def __init__(self) -> None:
        self.noted: list[tuple[ScalingDecision, bool]] = []
        self.sent: dict[str, tuple[str, ...]] = {}
        self.note = self.outstanding = self

    def remote(self, *noted: Any) -> "Ledger":
        self.noted += [noted] if noted else []
        return self

    def future(self) -> Future[dict[str, tuple[str, ...]]]:
        answer: Future[dict[str, tuple[str, ...]]] = Future()
        answer.set_result(self.sent)
        return answer


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    ledger = Ledger()
    monkeypatch.setattr(autoscaling, "open_ledger", lambda _name: ledger)
    return ledger


def seen(
    name: str = "image",
    *,
    now_s: float = 100.0,
    busy: float | None = 0.0,
    ongoing: float = 0.0,
    replicas: int = 1,
    reported_s: float | None = None,
    **metrics: float,
) -> AutoscalingContext:
    """A context with one replica that had so many requests in hand, in the mean of 30 s."""
    config = AutoscalingConfig(min_replicas=1, max_replicas=8, target_ongoing_requests=2)
    ctx = context(config, replicas, ongoing, now_s)
    d_id = DeploymentID(name=name, app_name="orrery")
    ctx.deployment_id, ctx.deployment_name, ctx.app_name = d_id, name, "orrery"
    if busy is not None:
        at_s = now_s if reported_s is None else reported_s
        values = {"service_s": 10.0, "gpu_share": 0.0, "node": name_as_number(NODE), "cpu": 0.5}
        values |= {"memory": 0.4, "disk": 0.3, **metrics}
        replica = ReplicaID("r", deployment_id=d_id)
        series = {k: {replica: [TimeStampedValue(at_s, v)]} for k, v in values.items()}
        rising = [TimeStampedValue(at_s - 30, 0.0), TimeStampedValue(at_s, 30 * busy)]
        ctx._raw_metrics_value = {**series, "held_s": {replica: rising}}  # type: ignore[dict-item]
    return ctx


def call(policy: Policy, *contexts: AutoscalingContext) -> dict[str, int]:
    targets, _ = policy({ctx.deployment_id: ctx for ctx in contexts})
    return {d_id.name: target for d_id, target in targets.items()}


def plain(**fields: Any) -> Policy:
    return Policy({"image": PLAIN, "video": {**PLAIN, "priority": 1}}, **fields)


@pytest.mark.parametrize(
    ("busy", "ongoing", "load", "backlog_s"),
    [
        pytest.param(2.0, 2.0, 2.0, 0.0, id="side by side in one replica"),
        # Serve's mean begins with the first request after a pause.
        pytest.param(0.1, 1.0, 0.1, 9.0, id="one that has just come"),
        pytest.param(8.0, 8.0, 2.0, 60.0, id="more than it should work on"),
    ],
)
def test_what_replicas_had_in_hand_is_the_load(
    ledger: Ledger, busy: float, ongoing: float, load: float, backlog_s: float
) -> None:
    call(Policy({"image": {**PLAIN, "concurrency": 2}}), seen(busy=busy, ongoing=ongoing))
    inputs = ledger.noted[-1][0].deployments["image"].inputs

    assert (inputs["load"], inputs["backlog_s"]) == (load, backlog_s)


def test_the_policy_follows_load_and_backlog(ledger: Ledger) -> None:
    assert call(plain(), seen(busy=1.0, ongoing=1.0)) == {"image": 1}
    assert call(plain(), seen(busy=0.1, ongoing=0.2)) == {"image": 1}
    assert ledger.noted[-1][0].deployments["image"].inputs["load"] == 0.1
    assert call(plain(), seen(busy=1.0, ongoing=13.0)) == {"image": 3}
    one = ledger.noted[-1][0].deployments["image"]
    assert one.policy == "orrery"
    assert "120 s of work waiting" in one.reason
    assert one.default_policy == "7 instead of 3"
    assert ledger.noted[-1][0].nodes[0].name == NODE


def test_what_a_replica_says_of_its_gpu_stays_beside_one_that_has_none(ledger: Ledger) -> None:
    call(plain(), seen("image", gpu=0.7, gpu_memory=0.4, gpu_share=0.5), seen("video"))
    (node,) = ledger.noted[-1][0].nodes

    assert (node.name, node.cpu, node.gpu, node.gpu_memory) == (NODE, 0.5, 0.7, 0.4)


def test_what_was_usual_yesterday_is_prepared_for_as_far_as_it_is_trusted(ledger: Ledger) -> None:
    policies = {trust: Policy({"image": {**PLAIN, "trust": trust}}) for trust in (0, 0.5)}
    at_s = 36_000.0  # ten o'clock, on whatever clock
    for trust, policy in policies.items():
        for now_s in (at_s, at_s + 700):  # another ten minutes close the first
            call(policy, seen(busy=4.0, ongoing=4.0, replicas=4, now_s=now_s))
        tomorrow = seen(busy=0.5, ongoing=0.5, now_s=at_s + DAY_S - 10)
        assert call(policy, tomorrow) == {"image": 1 if trust == 0 else 2}
        assert ledger.noted[-1][0].deployments["image"].inputs["forecast"] == 4 * trust


def test_the_higher_priority_takes_the_gpus(ledger: Ledger) -> None:
    crowd = {"busy": 1.0, "ongoing": 43.0, "gpu_share": 0.25}
    targets = call(plain(gpus=1), seen("image", **crowd), seen("video", **crowd))

    assert targets == {"image": 1, "video": 3}
    assert ledger.noted[0][0].deployments["image"].binding == "budget"


@pytest.mark.parametrize(
    ("ctx", "why"),
    [
        (seen(busy=None, ongoing=5), "no replica has reported yet"),
        (seen(busy=0.5, ongoing=5, reported_s=40), "the last report of a replica is 60 s old"),
    ],
)
def test_without_fresh_reports_serve_decides(
    ledger: Ledger, ctx: AutoscalingContext, why: str
) -> None:
    assert call(plain(), ctx) == {"image": 3}
    one = ledger.noted[0][0].deployments["image"]
    assert (one.policy, one.default_policy) == ("serve", "3, the same")
    assert why in one.reason


def test_a_policy_that_fails_leaves_serve_in_charge(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("as asked")

    monkeypatch.setattr(autoscaling, "decide", fail)

    assert call(plain(), seen(busy=0.5, ongoing=5)) == {"image": 3}
    reason = ledger.noted[0][0].deployments["image"].reason
    assert "the policy failed: ZeroDivisionError: as asked" in reason


def test_a_lost_ledger_does_not_stop_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ValueError("gone")

    monkeypatch.setattr(autoscaling, "open_ledger", fail)

    assert call(plain(), seen(busy=1.0, ongoing=13.0)) == {"image": 3}


def test_the_ledger_marks_what_changed(ledger: Ledger) -> None:
    policy = plain()
    for now_s, ongoing in [(100, 1), (100.1, 13), (102, 1), (104, 13), (106, 13)]:
        call(policy, seen(busy=1.0, ongoing=ongoing, now_s=now_s))

    assert [changed for _, changed in ledger.noted] == [True, False, True, False]


def test_the_configuration_builds_a_policy() -> None:
    application = yaml.safe_load((ROOT / "serve_config.yaml").read_text())["applications"][0]
    Policy(**application["autoscaling_policy"]["policy_kwargs"])
    with pytest.raises(TypeError, match="hedroom"):
        Policy({"image": {"hedroom": 1}})


def test_serves_own_policy_waits_before_it_changes() -> None:
    config = AutoscalingConfig(min_replicas=1, max_replicas=9, target_ongoing_requests=2)
    policy = ServeDefault(
        config.model_copy(update={"upscale_delay_s": 30, "downscale_delay_s": 60})
    )
    replicas, seen_at = 1, {}
    for tick in range(20):
        ongoing = 6.0 if tick < 8 else 1.0
        observed = Observation(tick * 10.0, replicas, replicas, ongoing, 0, 0, 0, 0)
        replicas = seen_at[tick * 10] = policy(observed)

    assert (seen_at[20], seen_at[30]) == (1, 3)
    assert (seen_at[130], seen_at[140]) == (3, 1)


def test_classes_of_work_of_all_replicas_make_the_decision_and_are_told(ledger: Ledger) -> None:
    promise = {**PLAIN, "wait_s": 30, "kept": 0.9}
    work = kinds_as_numbers({"small": (3.0, 2.0), "large": (1.0, 34.0)})
    for wait_s, target in ((30, 3), (3, 4)):
        policy = Policy({"image": {**promise, "wait_s": wait_s}})
        call(policy, seen(busy=2.0, ongoing=2.0, replicas=2, **work))
        one = ledger.noted[-1][0].deployments["image"]

        assert one.target == target
        assert f"so that 90% of requests begin within {wait_s} s" in one.reason
        assert "(lately 75% small of 2.0 s, 25% large of 34.0 s)" in one.reason
        assert one.inputs["service_s"] == 10
        assert [(each.name, each.share) for each in one.work] == [("large", 0.25), ("small", 0.75)]


def test_what_waits_counts_by_its_class_and_not_by_the_mean(ledger: Ledger) -> None:
    work = kinds_as_numbers({"small": (9.0, 2.0), "large": (1.0, 92.0)})  # 11 s in the mean
    for sent, targets, words in (
        (("small",) * 11, (3, 2), "20 s of work waiting (10 small of 2.0 s)"),
        (("small", "large", "large"), (3, 3), "184 s of work waiting (2 large of 92.0 s)"),
        (("small", "new"), (3, 2), "11 s of work waiting (1 new of 11.0 s)"),
    ):
        policy, ledger.sent = plain(), {"image": sent}
        found = [
            call(policy, seen(busy=1.0, ongoing=11.0, now_s=now_s, **work))["image"]
            for now_s in (100.0, 101.0)  # the first hears of nothing yet
        ]
        one = ledger.noted[-1][0].deployments["image"]

        assert (tuple(found), words in one.reason) == (targets, True), one.reason
        assert one.waiting is not None


def test_what_was_not_heard_for_long_is_not_believed(ledger: Ledger) -> None:
    policy, ledger.sent = plain(), {"image": ("image",) * 13}
    told = [call(policy, seen(busy=1.0, ongoing=1.0, now_s=now_s)) for now_s in (100.0, 101.0)]
    ledger.future = Future  # type: ignore[method-assign]  # an answer that does not come
    held = call(policy, seen(busy=1.0, ongoing=1.0, now_s=102.0))
    lost = call(policy, seen(busy=1.0, ongoing=1.0, now_s=108.0))

    # Two to work the 120 s off, one for what is in hand; what arrives: 120 s in 30, less chance.
    needed = math.ceil(1 + (4 - math.sqrt(10 * (1 + 4) / 30)) + 2)
    assert [*told, held, lost] == [{"image": n} for n in (1, needed, needed, 1)]
    assert "3.71 arriving" in ledger.noted[1][0].deployments["image"].reason


def test_a_decision_knows_what_waited_just_before_it(ledger: Ledger) -> None:
    policy = plain()
    call(policy, seen(busy=1.0, ongoing=1.0, now_s=100.0))
    ledger.sent = {"image": ("image",) * 13}  # after the ledger had answered
    between = call(policy, seen(busy=1.0, ongoing=1.0, now_s=100.7))
    decided = call(policy, seen(busy=1.0, ongoing=1.0, now_s=101.0))

    assert between == {"image": 1} != decided
    assert "120 s of work waiting" in ledger.noted[-1][0].deployments["image"].reason


async def test_what_is_sent_is_told_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outstanding, "PERIOD_S", 0.001)
    monkeypatch.setattr(outstanding, "QUIET_S", 0.01)
    now, ledger, heard = [0.0], decisions.Ledger(lambda: now[0]), asyncio.Event()
    telling = Outstanding("orrery", lambda _name: Told(ledger, heard))
    with telling.one("image", "large"), telling.one("image", "small"):
        await heard.wait()
        assert ledger.note(decision(1, 0), False) == {"image": ("large", "small")}
        now[0] += 2 * decisions.HEARD_S
        assert ledger.note(decision(1, 0), False) == {}
        heard.clear()
        await heard.wait()
        assert ledger.note(decision(1, 0), False) == {"image": ("large", "small")}
    heard.clear()
    await heard.wait()
    assert ledger.note(decision(1, 0), False) == {"image": ()}


class Told:
    """A ledger in this process, behind the face of an actor."""

    def __init__(self, ledger: decisions.Ledger, heard: asyncio.Event) -> None:
        self._ledger, self._heard = ledger, heard
        self.hear = self

    async def remote(self, who: str, sent: Any) -> None:
        self._ledger.hear(who, sent)
        self._heard.set()


def decision(target: int, minute: int) -> ScalingDecision:
    one = DeploymentDecision(
        target=target,
        replicas=1,
        policy="orrery",
        binding="load",
        reason="grows",
        default_policy="1 instead of 2",
        would_change=("less load",),
        inputs={"load": 1.5, "backlog_s": 3.0, "gpu_share": 0.5},
    )
    node = NodeLoad(name=NODE, cpu=0.1, memory=0.2, disk=0.3)
    at = datetime(2026, 1, 1, 12, minute, tzinfo=UTC)
    return ScalingDecision(at=at, deployments={"probe": one}, nodes=(node,))


async def test_before_the_first_decision_the_routes_say_so(client: httpx.AsyncClient) -> None:
    missing = await client.get("/scaling-decision")
    metrics = (await client.get("/api/v1/autoscaler/metrics")).json()

    assert missing.status_code == 503
    assert "no scaling decision was made yet" in missing.json()["detail"]
    assert metrics["gateway_node"] == {
        "name": "ab",
        "cpu": 0.5,
        "memory": 0.25,
        "disk": 0.75,
        "gpu": None,
        "gpu_memory": None,
    }
    assert (metrics["gpus"], metrics["gpus_free"]) == (2, 1.5)


async def test_decision_metrics_history_and_chart(api: Api) -> None:
    steps = ScalingHistory(decisions=(decision(1, 0), decision(2, 1), decision(1, 9)))
    api.backend.scaled = replace(IDLE, latest=steps.decisions[1], history=steps)
    async with api.client() as client:
        for path in ("/scaling-decision", "/api/v1/autoscaler/scaling-decision"):
            body = (await client.get(path)).json()
            assert body["deployments"]["probe"]["target"] == 2
            assert body["deployments"]["probe"]["would_change"] == ["less load"]
        metrics = (await client.get("/metrics-system")).json()
        history = (await client.get("/api/v1/autoscaler/history")).json()
        chart = await client.get("/api/v1/autoscaler/history.svg")

    probe = metrics["deployments"]["probe"]
    assert (probe["load"], probe["backlog_s"], probe["gpus"]) == (1.5, 3.0, 0.5)
    assert metrics["nodes"][0]["name"] == NODE
    assert len(history["decisions"]) == 3
    assert chart.headers["content-type"] == "image/svg+xml"
    (line,) = ET.fromstring(chart.text).findall("{http://www.w3.org/2000/svg}polyline")  # noqa: S314 - our own
    heights = [point.split(",")[1] for point in line.attrib["points"].split()]
    assert heights == ["160.0", "160.0", "40.0", "40.0", "160.0"]
