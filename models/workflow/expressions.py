"""`${{ … }}`: a path, or a comparison of two operands, and nothing else.

    expression = operand [ ("==" | "!=" | "<" | "<=" | ">" | ">=") operand ]
    operand    = number | 'text' | true | false | null | path
    path       = name { "." name | "[" index "]" | "['" name "']" | "[*]" }

`[*]` takes the rest of the path from each element of a list.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pydantic import JsonValue

MAX_EXPRESSION_CHARACTERS: Final = 1000
EACH: Final = "*"

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|'(?P<text>(?:[^']|'')*)'"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<sign>==|!=|<=|>=|<|>|\.|\[|\]|\*))"
)
_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_COMPARE: Final[Mapping[str, Callable[[float | str, float | str], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ExpressionError(ValueError):
    """The expression cannot be read, or not evaluated on these values."""


@dataclass(frozen=True)
class Literal:
    """A value written out."""

    value: JsonValue


@dataclass(frozen=True)
class Path:
    """A way into the values that are known: names, positions, and `*` for each element."""

    root: str
    steps: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        """As it is written."""
        return self.root + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.steps)


@dataclass(frozen=True)
class Comparison:
    """Two operands and the sign between them."""

    left: "Operand"
    sign: str
    right: "Operand"


Operand: TypeAlias = Literal | Path
Expression: TypeAlias = Operand | Comparison


def parse(text: str) -> Expression:
    """Read an expression, with or without `${{ }}` around it.

    Raises:
        ExpressionError: It is not one.
    """
    whole = _TEMPLATE.fullmatch(text.strip())
    reader = _Reader(whole.group(1) if whole else text)
    left = reader.operand()
    if reader.at_end:
        return left
    sign = reader.take("sign")
    if sign not in ("==", "!=", *_COMPARE):
        raise ExpressionError(f"expected a comparison in {reader.text!r}, found {sign!r}")
    right = reader.operand()
    if not reader.at_end:
        raise ExpressionError(f"{reader.text!r} goes on after a whole comparison")
    return Comparison(left, sign, right)


class _Reader:
    """The tokens of an expression, one after the other."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if len(self.text) > MAX_EXPRESSION_CHARACTERS:
            raise ExpressionError(f"an expression has at most {MAX_EXPRESSION_CHARACTERS} letters")
        self._tokens = list(self._split())
        self._at = 0

    def _split(self) -> Iterator[tuple[str, str]]:
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None or match.lastgroup is None:
                raise ExpressionError(f"cannot read {self.text[position:][:20]!r}")
            yield match.lastgroup, match.group(match.lastgroup)
            position = match.end()

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._tokens)

    def take(self, kind: str) -> str:
        found, value = self._tokens[self._at] if not self.at_end else ("end", "")
        if found != kind:
            raise ExpressionError(f"expected a {kind} in {self.text!r}, found {value or 'its end'}")
        self._at += 1
        return value

    def _next_is(self, sign: str) -> bool:
        return not self.at_end and self._tokens[self._at] == ("sign", sign)

    def operand(self) -> Operand:
        if self.at_end:
            raise ExpressionError(f"expected a value at the end of {self.text!r}")
        kind, value = self._tokens[self._at]
        if kind == "number":
            self._at += 1
            return Literal(float(value) if "." in value else int(value))
        if kind == "text":
            self._at += 1
            return Literal(value.replace("''", "'"))
        name = self.take("name")
        return Literal(_CONSTANTS[name]) if name in _CONSTANTS else Path(name, self._steps())

    def _steps(self) -> tuple[str | int, ...]:
        steps: list[str | int] = []
        while self._next_is(".") or self._next_is("["):
            if self.take("sign") == ".":
                steps.append(self.take("name"))
                continue
            steps.append(self._subscript())
            if self.take("sign") != "]":
                raise ExpressionError(f"expected ] in {self.text!r}")
        return tuple(steps)

    def _subscript(self) -> str | int:
        if self._next_is("*"):
            return self.take("sign")
        if not self.at_end and self._tokens[self._at][0] == "text":
            return self.take("text").replace("''", "'")
        index = self.take("number")
        if not index.isdigit():
            raise ExpressionError(f"a position is a whole number from 0, not {index}")
        return int(index)


def paths_of(expression: Expression) -> Iterator[Path]:
    """The paths that an expression reads."""
    operands = (
        (expression.left, expression.right) if isinstance(expression, Comparison) else (expression,)
    )
    yield from (operand for operand in operands if isinstance(operand, Path))


def evaluate(expression: Expression, values: Mapping[str, JsonValue]) -> JsonValue:
    """The value of an expression.

    Raises:
        ExpressionError: A path leads nowhere, or the operands have no order.
    """
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Path):
        if expression.root not in values:
            raise ExpressionError(f"{expression.root!r} is not known here")
        return _follow(values[expression.root], expression.steps, expression)
    left, right = evaluate(expression.left, values), evaluate(expression.right, values)
    if expression.sign in ("==", "!="):
        return _equal(left, right) == (expression.sign == "==")
    if _ordered(left, right):
        return _COMPARE[expression.sign](left, right)  # type: ignore[arg-type]  # checked above
    raise ExpressionError(f"{expression.sign} compares two numbers or two texts")


def _equal(left: JsonValue, right: JsonValue) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _ordered(left: JsonValue, right: JsonValue) -> bool:
    texts = isinstance(left, str) and isinstance(right, str)
    return texts or (_is_number(left) and _is_number(right))


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _follow(value: JsonValue, steps: tuple[str | int, ...], path: Path) -> JsonValue:
    for position, step in enumerate(steps):
        if step == EACH and isinstance(value, list):
            return [_follow(element, steps[position + 1 :], path) for element in value]
        try:
            value = _step(value, step)
        except LookupError:
            raise ExpressionError(f"{path} has no {step!r}") from None
    return value


@dataclass(frozen=True)
class Written:
    """An expression where it stands.

    Attributes:
        pointer: JSON Pointer to the string that holds it.
        text: The expression itself.
        whole: Whether the string is nothing else, and so keeps the value's type.
    """

    pointer: str
    text: str
    whole: bool


def _step(value: JsonValue, step: str | int) -> JsonValue:
    if isinstance(step, str) and isinstance(value, dict):
        return value[step]
    if isinstance(step, int) and isinstance(value, list):
        return value[step]
    raise LookupError


def expressions_in(template: JsonValue, pointer: str = "") -> Iterator[Written]:
    """Every expression within a template."""
    if isinstance(template, str):
        whole = whole_expression(template) is not None
        found = (match.group(1) for match in _TEMPLATE.finditer(template))
        yield from (Written(pointer, text, whole) for text in found)
    elif isinstance(template, dict):
        for name, value in template.items():
            yield from expressions_in(value, f"{pointer}/{escape(name)}")
    elif isinstance(template, list | tuple):
        for position, value in enumerate(template):
            yield from expressions_in(value, f"{pointer}/{position}")


def escape(name: str) -> str:
    """A name as part of a JSON Pointer, RFC 6901."""
    return name.replace("~", "~0").replace("/", "~1")


def whole_expression(template: JsonValue) -> str | None:
    """The expression that a string consists of, if it is nothing else."""
    match = _TEMPLATE.fullmatch(template.strip()) if isinstance(template, str) else None
    # A lazy match over "${{ a }} and ${{ b }}" would swallow what lies between.
    return match.group(1) if match and "${{" not in match.group(1) else None


def render(template: JsonValue, values: Mapping[str, JsonValue]) -> JsonValue:
    """A template with its expressions evaluated; a string that is one keeps the value's type.

    Raises:
        ExpressionError: An expression fails, or a list or object stands within text.
    """
    if isinstance(template, str):
        expression = whole_expression(template)
        if expression is not None:
            return evaluate(parse(expression), values)
        return _TEMPLATE.sub(lambda match: _text(evaluate(parse(match.group(1)), values)), template)
    if isinstance(template, dict):
        return {name: render(value, values) for name, value in template.items()}
    if isinstance(template, list | tuple):
        return [render(value, values) for value in template]
    return template


def _text(value: JsonValue) -> str:
    if isinstance(value, dict | list):
        raise ExpressionError("only texts, numbers and truth values can stand within a text")
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    return str(value)
