"""Expressions are paths and comparisons, read without `eval`."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from models.workflow.expressions import ExpressionError, evaluate, parse, render

VALUES: dict[str, JsonValue] = {
    "tasks": {"a-1": {"outputs": {"score": 0.25, "rows": [{"id": 1}, {"id": 2}], "odd key": "x"}}},
    "item": {"name": "cat"},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tasks.a-1.outputs.score", 0.25),
        ("${{ tasks.a-1.outputs.score < 0.5 }}", True),
        ("tasks.a-1.outputs.rows[1].id", 2),
        ("tasks.a-1.outputs.rows[*].id", [1, 2]),
        ("tasks.a-1.outputs['odd key'] == 'x'", True),
        ("'it''s'", "it's"),
        ("item.name != 'cat'", False),
        ("-1.5 >= -2", True),
        ("true == 1", False),
        ("null == null", True),
    ],
)
def test_an_expression_has_this_value(text: str, value: JsonValue) -> None:
    assert evaluate(parse(text), VALUES) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a ==",
        "a == b == c",
        "a.",
        "a[",
        "a[-1]",
        "a[1.5]",
        "a + 1",
        "f(x)",
        "__import__('os')",
        "a.b.",
        "@",
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize(
    "text", ["nobody", "item.age", "item[0]", "item < 1", "tasks.a-1.outputs.rows[9]"]
)
def test_what_leads_nowhere_is_told(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse(text), VALUES)


def test_a_string_that_is_one_expression_keeps_its_type() -> None:
    rendered = render({"s": "${{ tasks.a-1.outputs.score }}", "t": ["a ${{ item.name }}!"]}, VALUES)

    assert rendered == {"s": 0.25, "t": ["a cat!"]}


def test_two_expressions_in_a_string_stay_two() -> None:
    assert render("${{ item.name }} ${{ item.name }}", VALUES) == "cat cat"


def test_a_list_within_text_is_refused() -> None:
    with pytest.raises(ExpressionError):
        render("rows: ${{ tasks.a-1.outputs.rows }}", VALUES)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        parse(text)
