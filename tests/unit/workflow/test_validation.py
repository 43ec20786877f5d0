"""A graph is checked whole before it is accepted."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.workflow.plan import needs_of, waves
from models.workflow.spec import Spec
from models.workflow.validation import Fault, InvalidGraph, check, faults_of
from tests.unit.workflow.services import SERVICES

RISK: dict[str, Any] = {"id": "risk", "uses": "fraud.analyze", "with": {"amount": 12}}
IMG: dict[str, Any] = {"id": "img", "uses": "image.generate", "with": {"prompt": "cat"}}


def faults(*tasks: dict[str, Any], **more: object) -> list[str]:
    spec = Spec.model_validate({"tasks": tasks, **more})
    return [fault.pointer for fault in faults_of(spec, SERVICES)]


def echo(name: str, **more: object) -> dict[str, Any]:
    return {"id": name, "uses": "any.echo", **more}


def test_the_whole_vocabulary_is_accepted() -> None:
    spec = {
        "version": "1", "name": "ad", "priority": 5, "deadline_s": 600,
        "inputs": {"subject": "cat"},
        "tasks": [
            RISK,
            {**IMG, "needs": ["risk"], "if": "${{ tasks.risk.outputs.score < 0.5 }}",
             "with": {"prompt": "a ${{ inputs.subject }}", "style": "${{ matrix.style }}"},
             "retry": {"max_attempts": 3, "backoff_s": 1}, "timeout_s": 120,
             "strategy": {"matrix": {"style": ["photo", "anime"]}}},
            {"id": "vid", "uses": "video.generate",
             "with": {"image": "${{ tasks.img.outputs[0].images[0].id }}"}},
            {"id": "each", "uses": "video.generate", "depends_on": ["vid"],
             "foreach": "${{ tasks.img.outputs[0].images }}", "with": {"image": "${{ item.id }}"}},
        ],
        "outputs": {"video": "${{ tasks.vid.outputs.video }}"},
        "webhook": {"url": "https://example.org/hook", "events": ["task.completed", "workflow.*"]},
    }  # fmt: skip

    check(Spec.model_validate(spec), SERVICES)


@pytest.mark.parametrize(
    ("tasks", "pointer"),
    [
        ([echo("a"), echo("a")], "/tasks/1/id"),
        ([{"id": "a", "uses": "no.such"}], "/tasks/0/uses"),
        ([echo("a", needs=["b"])], "/tasks/0/needs/0"),
        ([echo("a", **{"with": {"x": ["${{ tasks.b.outputs }}"]}})], "/tasks/0/with/x/0"),
        ([echo("a", needs=["b"]), echo("b", needs=["a"])], "/tasks/0/needs"),
        ([echo("a", **{"if": "tasks.a.outputs.x"})], "/tasks/0/needs"),
        ([echo("a", **{"if": "1 +"})], "/tasks/0/if"),
        ([RISK, echo("b", **{"with": {"x": "${{ tasks.risk.outputs.points }}"}})], "/tasks/1/with/x"),
        ([RISK, echo("b", **{"with": {"x": "${{ tasks.risk.score }}"}})], "/tasks/1/with/x"),
        ([RISK, {**IMG, "with": {"prompt": "${{ tasks.risk.outputs.score }}"}}], "/tasks/1/with/prompt"),
        ([IMG, {**RISK, "with": {"amount": "${{ tasks.img.outputs.images }}"}}], "/tasks/1/with/amount"),
        ([RISK, {**IMG, "with": {"prompt": "x", "colour": "${{ tasks.risk.outputs.score }}"}}], "/tasks/1/with/colour"),
        ([RISK, {**IMG, "with": {"seed": "${{ tasks.risk.outputs.score }}"}}], "/tasks/1/with"),
        ([{**IMG, "with": {"prompt": "x", "style": "${{ matrix.s }}"}, "strategy": {"matrix": {"s": ["oil"]}}}], "/tasks/0/with/style"),
        ([{**IMG, "with": {"prompt": "${{ matrix.t }}"}, "strategy": {"matrix": {"s": ["oil"]}}}], "/tasks/0/with/prompt"),
        ([RISK, echo("b", foreach="${{ tasks.risk.outputs.score }}")], "/tasks/1/foreach"),
        ([echo("a", foreach=list(range(101)))], "/tasks/0/foreach"),
        ([echo("a", **{"with": {"x": "${{ item }}"}})], "/tasks/0/with/x"),
        ([IMG, echo("b", **{"with": {"x": "see ${{ tasks.img.outputs.images }}"}})], "/tasks/1/with/x"),
    ],
)  # fmt: skip
def test_a_fault_is_told_where_it_stands(tasks: list[dict[str, Any]], pointer: str) -> None:
    assert faults(*tasks) == [pointer]


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        {"id": "a", "uses": "no.such", "needs": ["x"]},
        echo("b", **{"if": "oops ("}),
        outputs={"o": "${{ tasks.nobody.outputs }}"},
    )

    assert found == ["/tasks/0/needs/0", "/tasks/0/uses", "/tasks/1/if", "/outputs/o"]


def test_too_many_calls_after_expansion() -> None:
    many = {"strategy": {"matrix": {"x": list(range(100))}}}

    assert faults(echo("a", **many), echo("b", **many), echo("c", **many)) == ["/tasks"]


def test_a_graph_beyond_a_mebibyte_is_refused() -> None:
    assert faults(echo("a", **{"with": {"x": "y" * 2**20}})) == [""]


def test_a_value_that_may_be_null_is_given_the_benefit_of_the_doubt() -> None:
    assert (
        faults(IMG, {**IMG, "id": "b", "with": {"prompt": "${{ tasks.img.outputs.note }}"}}) == []
    )


def test_the_error_survives_the_way_between_processes() -> None:
    error = InvalidGraph.of((Fault("/tasks/0/uses", "no such service"),))

    again = pickle.loads(pickle.dumps(error))

    assert again.faults == error.faults
    assert str(again) == str(error)


@st.composite
def graphs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Acyclic graphs in any document order."""
    count = draw(st.integers(1, 12))
    tasks = []
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=4)) if number else set()
        tasks.append(echo(f"t{number}", needs=[f"t{n}" for n in sorted(needs)]))
    return draw(st.permutations(tasks))


@given(graphs())
def test_every_task_comes_after_its_needs(tasks: list[dict[str, Any]]) -> None:
    spec = Spec.model_validate({"tasks": tasks})
    order = waves({task.id: needs_of(task) for task in spec.tasks})

    assert faults_of(spec, SERVICES) == ()
    position = {name: number for number, wave in enumerate(order) for name in wave}
    assert sorted(position) == sorted(task.id for task in spec.tasks)
    assert all(position[n] < position[t.id] for t in spec.tasks for n in t.needs)


@given(graphs(), st.data())
def test_a_cycle_is_found_wherever_it_is_closed(
    tasks: list[dict[str, Any]], data: st.DataObject
) -> None:
    above = {t["id"]: set(t["needs"]) for t in tasks}
    last = data.draw(st.sampled_from(sorted(above)))
    first, path = last, {last}
    while above[first]:
        first = data.draw(st.sampled_from(sorted(above[first])))
        path.add(first)
    closed = [{**t, "needs": [*t["needs"], last]} if t["id"] == first else t for t in tasks]
    found = faults(*closed)

    assert len(found) == 1
    pointed = closed[int(found[0].split("/")[2])]
    assert pointed["needs"], "the pointer leads to a task of the cycle"
