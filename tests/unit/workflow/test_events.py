"""The state of a run follows from its events alone."""

from datetime import UTC, datetime, timedelta

import pytest

from models.workflow.contract import Event, TaskStatus
from models.workflow.events import eta_s, progress_of, task_statuses
from models.workflow.spec import Spec
from tests.unit.workflow.services import SERVICES
from tests.unit.workflow.test_validation import echo

START = datetime(2026, 1, 1, tzinfo=UTC)
FAILURE = {"code": "x", "status": 503, "title": "t", "detail": "d"}


def state(*events: tuple[str, int | None, dict[str, object]], **more: object) -> TaskStatus:
    spec = Spec.model_validate({"tasks": [echo("a", **more)]})
    written = [
        Event(
            number=number,
            at=START + timedelta(seconds=number),
            name=name,
            task="a",
            item=item,
            attempt=1,
            data=data,
        )
        for number, (name, item, data) in enumerate(events)
    ]
    return task_statuses(spec, written, {})[0]


def test_nothing_happened_yet() -> None:
    assert state().state == "pending"


def test_a_task_runs_and_tells_its_progress() -> None:
    found = state(("task.started", 0, {}), ("task.progress", 0, {"fraction": 0.4, "stage": "s"}))

    assert (found.state, found.progress, found.stage) == ("running", 0.4, "s")
    assert found.started_at == START


def test_a_task_that_failed_says_why() -> None:
    found = state(("task.started", 0, {}), ("task.failed", 0, {"failure": FAILURE}))

    assert found.state == "failed"
    assert found.failure is not None
    assert found.failure.detail == "d"
    assert found.finished_at == START + timedelta(seconds=1)


def test_a_success_after_failures_forgets_them() -> None:
    found = state(
        ("task.started", 0, {}),
        ("task.retrying", 0, {"failure": FAILURE}),
        ("task.started", 0, {}),
        ("task.completed", 0, {"memoized": False}),
    )

    assert (found.state, found.failure, found.progress) == ("completed", None, 1.0)


def test_items_add_up() -> None:
    found = state(
        ("task.expanded", None, {"items": 4}),
        ("task.started", 1, {}),
        ("task.completed", 1, {}),
        foreach=[1, 2, 3, 4],
    )

    assert (found.state, found.progress, len(found.items)) == ("running", 0.25, 4)


def test_what_failed_or_was_stopped_is_done_no_further_than_it_came() -> None:
    begun = (("task.started", 0, {}), ("task.progress", 0, {"fraction": 0.4, "stage": "s"}))
    failed = state(*begun, ("task.failed", 0, {"failure": FAILURE}))
    cancelled = state(*begun, ("workflow.cancelled", None, {}))

    assert (failed.state, failed.progress) == ("failed", 0.4)
    assert (cancelled.state, cancelled.progress) == ("cancelled", 0.4)


def test_what_takes_longer_than_usual_without_a_sign_may_take_as_long_again() -> None:
    tasks = (TaskStatus(id="a", uses="any.echo", state="running", started_at=START),)
    now = START + timedelta(seconds=50)

    assert eta_s(tasks, (("a",),), SERVICES, now) == pytest.approx(50)


def test_the_slowest_of_each_wave_makes_the_time_left() -> None:
    tasks = (
        TaskStatus(id="a", uses="any.echo", state="running", progress=0.5, started_at=START),
        TaskStatus(id="b", uses="any.echo"),
        TaskStatus(id="c", uses="any.echo"),
    )
    now = START + timedelta(seconds=10)

    assert eta_s(tasks, (("a", "b"), ("c",)), SERVICES, now) == pytest.approx(11)
    assert progress_of(tasks, SERVICES) == pytest.approx(0.5 / 3)
