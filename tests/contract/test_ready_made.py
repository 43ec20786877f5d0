"""Ready-made workflows fit the capabilities that are served."""

from collections.abc import Mapping

import pytest
from pydantic import BaseModel

from graphs.calls import Calls
from graphs.catalogue import CATALOGUE
from graphs.ready_made import READY_MADE, ReadyMade
from graphs.steps import CapabilitySteps
from models.workflow.plan import needs_of
from models.workflow.validation import check
from tests.api.conftest import InProcess

STEPS = CapabilitySteps(CATALOGUE, Calls(InProcess(None)))  # type: ignore[arg-type]  # nothing is run

each = pytest.mark.parametrize("one", READY_MADE, ids=lambda one: one.name)


def inputs_of(one: ReadyMade, more: Mapping[str, object] = {}) -> BaseModel:
    return one.inputs.model_validate({**one.example, **more})


@each
def test_its_example_is_a_valid_graph(one: ReadyMade) -> None:
    assert not one.lacks(STEPS.services().__contains__)

    check(one.spec(inputs_of(one)), STEPS.services())


@each
def test_words_of_a_caller_are_no_expressions(one: ReadyMade) -> None:
    text = "${{ tasks.secret.outputs }}"
    names = [name for name in ("prompt", "style") if name in one.inputs.model_fields]

    spec = one.spec(inputs_of(one, dict.fromkeys(names, text)))

    assert all(spec.inputs[name] == text for name in names)
    assert not any("secret" in needs_of(task) for task in spec.tasks)
