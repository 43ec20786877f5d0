"""Whether what one task gives can be what the next one takes, told from their JSON Schemas.

Only certain mismatches count: a schema that says nothing matches everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import JsonValue

from models.workflow.expressions import EACH, escape

Schema: TypeAlias = Mapping[str, Any]

ANYTHING: Final[Schema] = {}
MAX_DEPTH: Final = 12
_KINDS: Final = ("null", "boolean", "integer", "number", "string", "array", "object")


class NoSuchPath(LookupError):
    """The schema has nothing at the end of the path."""


@dataclass(frozen=True)
class Shape:
    """A schema together with the document that its references point into."""

    schema: Schema
    root: Schema

    @classmethod
    def of(cls, root: Schema) -> "Shape":
        """The shape of a whole document."""
        return cls(root, root)

    @classmethod
    def of_value(cls, value: JsonValue) -> "Shape":
        """The shape that only this value has."""
        return cls.of({"const": value})

    @classmethod
    def list_of(cls, element: "Shape") -> "Shape":
        """A list of any length."""
        return cls({"type": "array", "items": element.schema}, element.root)

    def variants(self, depth: int = 0) -> tuple["Shape", ...]:
        """The alternatives, references followed."""
        schema = self.schema
        if depth > MAX_DEPTH:
            return (Shape.of(ANYTHING),)
        if "$ref" in schema:
            return Shape(self._target(str(schema["$ref"])), self.root).variants(depth + 1)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                parts = (Shape(part, self.root).variants(depth + 1) for part in schema[word])
                return tuple(shape for part in parts for shape in part)
        if len(schema.get("allOf", ())) == 1:
            return Shape(schema["allOf"][0], self.root).variants(depth + 1)
        return (self,)

    def _target(self, reference: str) -> Schema:
        found: Any = self.root
        for name in reference.removeprefix("#/").split("/"):
            found = found.get(name, ANYTHING) if isinstance(found, Mapping) else ANYTHING
        return found if isinstance(found, Mapping) else ANYTHING

    @property
    def kinds(self) -> frozenset[str]:
        """JSON types that a value of this shape may have; an integer is a number too."""
        if "const" in self.schema:
            return frozenset({kind_of(self.schema["const"])})
        if "enum" in self.schema:
            return frozenset(kind_of(value) for value in self.schema["enum"])
        kind = self.schema.get("type")
        if kind is None:
            return frozenset({"object"} if "properties" in self.schema else _KINDS)
        return frozenset([kind] if isinstance(kind, str) else kind)

    def at(self, steps: Sequence[str | int]) -> "Shape":
        """The shape at the end of a path.

        Raises:
            NoSuchPath: No variant leads there.
        """
        if not steps:
            return self
        if steps[0] == EACH:
            return Shape.list_of(self._one_of(self._element(None)).at(steps[1:]))
        found = [shape for variant in self.variants() for shape in variant.inside(steps[0])]
        return self._one_of(found).at(steps[1:])

    def _element(self, position: int | None) -> "list[Shape]":
        return [shape for variant in self.variants() for shape in variant.inside(position)]

    def _one_of(self, found: "Sequence[Shape]") -> "Shape":
        if not found:
            raise NoSuchPath
        if len(found) == 1:
            return found[0]
        return Shape({"anyOf": [shape.schema for shape in found]}, found[0].root)

    def inside(self, step: str | int | None) -> "Iterator[Shape]":
        """Shapes at a name or a position; `None` stands for any element."""
        if "const" in self.schema:
            yield from _within(self.schema["const"], step)
        elif isinstance(step, str):
            if "object" in self.kinds:
                yield from self._property(step)
        elif "array" in self.kinds:
            prefix = self.schema.get("prefixItems", ())
            if isinstance(step, int) and step < len(prefix):
                yield Shape(prefix[step], self.root)
            elif self.schema.get("items", True) is not False:
                items = self.schema.get("items", ANYTHING)
                yield Shape(items if isinstance(items, Mapping) else ANYTHING, self.root)

    def _property(self, name: str) -> "Iterator[Shape]":
        known = self.schema.get("properties", {})
        more = self.schema.get("additionalProperties", not known)
        if name in known:
            yield Shape(known[name], self.root)
        elif isinstance(more, Mapping):
            yield Shape(more, self.root)
        elif more:
            yield Shape.of(ANYTHING)


def _within(value: JsonValue, step: str | int | None) -> Iterator[Shape]:
    if isinstance(step, str) and isinstance(value, dict) and step in value:
        yield Shape.of_value(value[step])
    elif isinstance(value, list | tuple):
        if isinstance(step, int) and step < len(value):
            yield Shape.of_value(value[step])
        elif step is None:
            yield from (Shape.of_value(element) for element in value)


def kind_of(value: JsonValue) -> str:
    """JSON type of a value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) or value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array"


def mismatch(source: Shape, target: Shape, depth: int = 0) -> str | None:
    """Why no value of the source fits the target; `None` where one may.

    A value of any variant of the source may arrive, but the caller may know better which, so a
    single variant that fits is enough.
    """
    if depth > MAX_DEPTH:
        return None
    reasons = []
    for given in source.variants():
        for wanted in target.variants():
            reason = _mismatch_of_one(given, wanted, depth)
            if reason is None:
                return None
            reasons.append(reason)
    return reasons[0] if reasons else None


def _mismatch_of_one(given: Shape, wanted: Shape, depth: int) -> str | None:
    shared = _accepted(wanted.kinds) & given.kinds
    if not shared:
        return f"gives {_listed(given.kinds)}, but {_listed(wanted.kinds)} is expected"
    return _value_mismatch(given, wanted) or _nested_mismatch(given, wanted, shared, depth)


def _accepted(kinds: frozenset[str]) -> frozenset[str]:
    return kinds | {"integer"} if "number" in kinds else kinds


def _listed(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds))


def _value_mismatch(given: Shape, wanted: Shape) -> str | None:
    offered = _values(given)
    allowed = _values(wanted)
    if offered is not None and allowed is not None and not any(v in allowed for v in offered):
        return f"gives {_short(offered)}, but one of {_short(allowed)} is expected"
    return None


def _values(shape: Shape) -> list[JsonValue] | None:
    if "const" in shape.schema:
        return [shape.schema["const"]]
    return list(shape.schema["enum"]) if "enum" in shape.schema else None


def _short(values: list[JsonValue]) -> str:
    text = ", ".join(repr(value) for value in values)
    return text if len(text) <= 80 else text[:77] + "..."


def _nested_mismatch(given: Shape, wanted: Shape, shared: frozenset[str], depth: int) -> str | None:
    if "const" in given.schema or len(shared) > 1:
        return None
    if shared == {"array"}:
        pairs = (list(given.inside(None)), list(wanted.inside(None)))
        return mismatch(pairs[0][0], pairs[1][0], depth + 1) if all(pairs) else None
    if shared == {"object"}:
        return _property_mismatch(given, wanted, depth)
    return None


def _property_mismatch(given: Shape, wanted: Shape, depth: int) -> str | None:
    offered: Schema = given.schema.get("properties", {})
    for name in wanted.schema.get("required", ()):
        if name not in offered and given.schema.get("additionalProperties") is False:
            return f"gives an object without {name!r}"
    for name, shape in wanted.schema.get("properties", {}).items():
        if name in offered and name in given.schema.get("required", ()):
            reason = mismatch(
                Shape(offered[name], given.root), Shape(shape, wanted.root), depth + 1
            )
            if reason:
                return f"{name}: {reason}"
    return None


def template_faults(
    template: JsonValue, target: Shape, shapes: Mapping[str, Shape], pointer: str
) -> Iterator[tuple[str, str]]:
    """JSON Pointer and reason of every part of a template that cannot fit.

    Args:
        template: Arguments of a task.
        target: What its capability takes.
        shapes: What the expressions give, by the pointer of the string that is one.
        pointer: Of the template.
    """
    if pointer in shapes:
        reason = mismatch(shapes[pointer], target)
        if reason:
            yield pointer, reason
    elif isinstance(template, dict):
        yield from _object_faults(template, target, shapes, pointer)
    elif isinstance(template, list | tuple):
        yield from _list_faults(template, target, shapes, pointer)
    elif reason := mismatch(Shape.of_value(template), target):
        yield pointer, reason


def _object_faults(
    template: Mapping[str, JsonValue], target: Shape, shapes: Mapping[str, Shape], pointer: str
) -> Iterator[tuple[str, str]]:
    wanted = [shape for shape in target.variants() if "object" in shape.kinds]
    if len(wanted) != 1:
        if not wanted:
            yield pointer, f"gives object, but {_listed(_kinds_of(target))} is expected"
        return
    for name in wanted[0].schema.get("required", ()):
        if name not in template:
            yield pointer, f"{name!r} is missing"
    for name, value in template.items():
        found = list(wanted[0].inside(name))
        below = f"{pointer}/{escape(name)}"
        if not found:
            known = ", ".join(wanted[0].schema.get("properties", {}))
            yield below, f"is not known here; known are: {known}"
        else:
            yield from template_faults(value, found[0], shapes, below)


def _list_faults(
    template: Sequence[JsonValue], target: Shape, shapes: Mapping[str, Shape], pointer: str
) -> Iterator[tuple[str, str]]:
    wanted = [shape for shape in target.variants() if "array" in shape.kinds]
    if not wanted:
        yield pointer, f"gives array, but {_listed(_kinds_of(target))} is expected"
    elif len(wanted) == 1:
        for position, value in enumerate(template):
            found = list(wanted[0].inside(position))
            if found:
                yield from template_faults(value, found[0], shapes, f"{pointer}/{position}")


def _kinds_of(shape: Shape) -> frozenset[str]:
    return frozenset(kind for variant in shape.variants() for kind in variant.kinds)
