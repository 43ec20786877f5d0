"""A task that needs a model that is not here is refused before it is accepted."""

from typing import Any

import pytest

from deployments.replica import ReplicaReport
from graphs.calls import Pace
from graphs.catalogue import CATALOGUE
from graphs.steps import CapabilitySteps
from models.core.capability import ModelCard
from models.core.errors import ModelUnavailable, UpstreamUnavailable
from models.workflow.spec import Spec

ABSENT = {"available": False, "reason": "set the key"}
CARDS = {
    "image": (
        ModelCard(name="scene", version="1", kind="scene"),
        ModelCard(name="gpt", version="1", kind="openai", **ABSENT),
        ModelCard(name="sdxl", version="1", kind="diffusers", **ABSENT),
        ModelCard(name="marigold-depth", version="1", kind="marigold", **ABSENT),
        ModelCard(name="marigold-normals", version="1", kind="marigold"),
    ),
    "video": (ModelCard(name="gen4.5", version="1", kind="runway", **ABSENT),),
}
PICTURE = {"prompt": "a cube"}
SOME = {"asset_id": "0" * 64}


class Told:
    """`Calls` to replicas that say what the test wants."""

    def __init__(self) -> None:
        self.cards = dict(CARDS)
        self.asked = 0
        self.silent = False

    def pace(self, name: str) -> Pace:
        return Pace()

    async def report(self, name: str) -> ReplicaReport:
        self.asked += 1
        if self.silent:
            raise UpstreamUnavailable("restarting", 5.0)
        return ReplicaReport(self.cards[name], 0, 1.0, 0.0, "cpu")


@pytest.fixture
def calls() -> Told:
    return Told()


@pytest.fixture
def steps(calls: Told) -> CapabilitySteps:
    return CapabilitySteps(CATALOGUE, calls)  # type: ignore[arg-type]  # all that is used of calls


def one(uses: str, arguments: dict[str, Any], **more: Any) -> Spec:
    return graph({"id": "a", "uses": uses, "with": arguments, **more})


def graph(*tasks: dict[str, Any], **inputs: Any) -> Spec:
    return Spec.model_validate({"tasks": tasks, "inputs": inputs})


@pytest.mark.parametrize(
    ("uses", "arguments"),
    [
        ("image.generate", PICTURE | {"backend": "openai"}),
        ("image.generate", PICTURE | {"backend": "auto", "model": "sdxl"}),
        ("image.generate", PICTURE | {"backend": "auto", "model": "nothing"}),
        ("image.fine-tunes", {"photos": [SOME] * 4, "instance": "sks dog"}),
        ("image.geometry", {"image": SOME}),
        ("video.generate", PICTURE | {"engine": "runway"}),
    ],
)
async def test_what_is_missing_is_told_with_where_to_look(
    steps: CapabilitySteps, uses: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ModelUnavailable, match=r"see /api/v1/(image|video)/models"):
        await steps.require(one(uses, arguments))


async def test_what_is_always_there_asks_nobody(steps: CapabilitySteps, calls: Told) -> None:
    await steps.require(one("image.generate", PICTURE))
    await steps.require(one("image.generate", PICTURE | {"backend": "auto"}))
    await steps.require(one("video.generate", PICTURE | {"engine": "nerf"}))

    assert calls.asked == 0


async def test_normals_need_one_estimator_of_the_two(steps: CapabilitySteps) -> None:
    await steps.require(one("image.geometry", {"image": SOME, "outputs": ["normals"]}))


async def test_inputs_and_the_matrix_are_looked_into(steps: CapabilitySteps) -> None:
    by_input = {"id": "a", "uses": "video.generate", "with": {"engine": "${{ inputs.engine }}"}}
    by_row = {
        "id": "b",
        "uses": "image.generate",
        "strategy": {"matrix": {"kind": ["scene", "openai"]}},
        "with": {"backend": "${{ matrix.kind }}"},
    }
    with pytest.raises(ModelUnavailable, match=r"^'gen4.5'"):
        await steps.require(graph(by_input, engine="runway"))
    with pytest.raises(
        ModelUnavailable, match=r"^task 'b': 'gpt' cannot be used here: set the key"
    ):
        await steps.require(graph(by_input, by_row, engine="auto"))


async def test_what_a_condition_may_skip_is_left_to_run(steps: CapabilitySteps) -> None:
    paid = {"uses": "image.generate", "with": PICTURE | {"backend": "openai"}}
    asked = paid | {"id": "a", "if": "${{ inputs.paid == true }}"}

    await steps.require(graph(asked, paid | {"id": "b", "needs": ["a"]}, paid=False))


async def test_a_silent_replica_refuses_nothing(steps: CapabilitySteps, calls: Told) -> None:
    calls.silent = True

    await steps.require(one("video.generate", PICTURE | {"engine": "runway"}))


async def test_what_was_installed_since_is_seen_at_once(
    steps: CapabilitySteps, calls: Told
) -> None:
    paid = one("image.generate", PICTURE | {"backend": "openai"})
    with pytest.raises(ModelUnavailable):
        await steps.require(paid)
    calls.cards["image"] = (ModelCard(name="gpt", version="1", kind="openai"),)

    await steps.require(paid)
    asked = calls.asked
    await steps.require(paid)
    assert calls.asked == asked
