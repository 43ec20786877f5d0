"""Rules that operators edit: a table of plain conditions, checked whole before it is used.

Lists of allowed and denied parties come first, then rules that block, the model, and last rules
that send to review. A rule may decide; it never changes the probability.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from models.core.capability import Value

Action = Literal["approve", "review", "block"]
Operator = Literal["<", "<=", ">", ">=", "==", "!=", "in", "not in"]
Scalar = Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=200)]
Fact = float | str | None

NUMBERS = frozenset({"<", "<=", ">", ">="})


class Condition(Value):
    """One comparison of a fact with a constant.

    A fact that is not known meets no condition, whatever the operator.
    """

    fact: str = Field(min_length=1, max_length=80)
    operator: Operator
    value: Scalar | tuple[Scalar, ...]

    @model_validator(mode="after")
    def _comparable(self) -> "Condition":
        is_list = isinstance(self.value, tuple)
        if is_list != (self.operator in ("in", "not in")):
            raise ValueError(f"{self.operator!r} does not take {self.value!r}")
        if self.operator in NUMBERS and not isinstance(self.value, float):
            raise ValueError(f"{self.operator!r} compares numbers, not {self.value!r}")
        return self

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether the fact is known and meets the condition."""
        fact = facts.get(self.fact)
        if fact is None or (isinstance(fact, float) and math.isnan(fact)):
            return False
        if isinstance(self.value, tuple):
            return (fact in self.value) == (self.operator == "in")
        if self.operator in ("==", "!="):
            return (fact == self.value) == (self.operator == "==")
        return (
            isinstance(fact, float)
            and isinstance(self.value, float)
            and _ordered(self.operator, fact, self.value)
        )


class Rule(Value):
    """All conditions must hold.

    Attributes:
        id: Named in answers.
        action: What it decides.
        when: The conditions.
        text: One sentence for the reviewer.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    action: Action
    when: tuple[Condition, ...] = Field(min_length=1, max_length=20)
    text: str = Field(min_length=1, max_length=300)

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether every condition holds."""
        return all(condition.holds(facts) for condition in self.when)


class RuleHit(Value):
    """A rule that applied."""

    id: str
    action: Action
    text: str


class RuleTable(Value):
    """Every rule of one kind of event, in order.

    Attributes:
        rules: `approve` and `block` decide before the model, `review` after it.
    """

    rules: tuple[Rule, ...] = Field((), max_length=1000)

    @field_validator("rules")
    @classmethod
    def _distinct(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.id for rule in rules]
        if len(set(names)) < len(names):
            raise ValueError("two rules have the same id")
        return rules

    def check_facts(self, known: frozenset[str]) -> None:
        """Refuse rules on facts that do not exist.

        Raises:
            ValueError: A rule names an unknown fact.
        """
        for rule in self.rules:
            for condition in rule.when:
                if condition.fact not in known:
                    raise ValueError(
                        f"rule {rule.id!r} asks for {condition.fact!r}; known facts: "
                        + ", ".join(sorted(known))
                    )

    @property
    def version(self) -> str:
        """Changes with any rule."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def hits(self, facts: Mapping[str, Fact]) -> tuple[RuleHit, ...]:
        """The rules that apply, in order."""
        return tuple(
            RuleHit(id=rule.id, action=rule.action, text=rule.text)
            for rule in self.rules
            if rule.holds(facts)
        )


def forced(hits: tuple[RuleHit, ...]) -> Action | None:
    """What the first allowing or blocking rule decides, before any model."""
    return next((hit.action for hit in hits if hit.action != "review"), None)


def _ordered(operator: str, fact: float, value: float) -> bool:
    return {
        "<": fact < value,
        "<=": fact <= value,
        ">": fact > value,
        ">=": fact >= value,
    }[operator]
