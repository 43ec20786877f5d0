"""Reads pickles without running them: what a pickle would call becomes a description of the call.

Python's own unpickler imports and calls whatever a file names. This one knows the opcodes, keeps
its own stack, and imports, calls and builds nothing.
"""

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, TypeAlias

from models.core.errors import ModelUnavailable

MAX_OPERATIONS = 5_000_000

Inert: TypeAlias = Any
"""Numbers, text, bytes, tuples, lists, dicts and sets of these, `Global` and `Call`."""


@dataclass(frozen=True)
class Global:
    """A name that the file refers to; nothing is imported."""

    module: str
    name: str


@dataclass(eq=False)
class Call:
    """A call that the file asks for; nothing is called.

    Attributes:
        function: What would be called.
        arguments: With what.
        state: What its result would be given afterwards.
        items: Keys and values that would be set on the result.
    """

    function: Global
    arguments: tuple[Inert, ...]
    state: Inert = None
    items: dict[Inert, Inert] = field(default_factory=dict)


@dataclass(eq=False)
class Reference:
    """Something that the file keeps outside the pickle."""

    key: Inert


class _Mark:
    pass


def read_pickle(file: BytesIO, allowed: Collection[Global], *, references: bool = False) -> Inert:
    """Describe the next pickle of a file.

    Args:
        file: Left behind the end of the pickle.
        allowed: Names that it may refer to.
        references: Whether it may refer to what is outside.

    Raises:
        ModelUnavailable: It is damaged, refers to another name or uses an opcode that
            checkpoints have no need of.
    """
    machine = _Machine(frozenset(allowed), references)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            machine.step(count, opcode.name, argument)
        return machine.result()
    except ModelUnavailable:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ModelUnavailable(f"the pickle is damaged: {type(error).__name__}") from error


class _Machine:
    """The stack, the marks and the memo."""

    def __init__(self, allowed: frozenset[Global], references: bool) -> None:
        self._allowed = allowed
        self._references = references
        self._stack: list[Inert] = []
        self._memo: dict[int, Inert] = {}
        self._done = False

    def result(self) -> Inert:
        """What the pickle describes."""
        if not self._done or len(self._stack) != 1:
            raise ModelUnavailable("the pickle ends before its end")
        return self._stack[0]

    def step(self, count: int, name: str, argument: Inert) -> None:
        """Carry out one opcode."""
        if count > MAX_OPERATIONS:
            raise ModelUnavailable("the pickle has too many operations to be a checkpoint")
        if name in _IGNORED:
            return
        if name in _LITERALS:
            self._push(argument)
        elif name in _CONSTANTS:
            self._push(_CONSTANTS[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        else:
            raise ModelUnavailable(f"the pickle uses {name}, which no checkpoint needs")

    def _push(self, value: Inert) -> None:
        self._stack.append(value)

    def _pop(self) -> Inert:
        value = self._stack.pop()
        if isinstance(value, _Mark):
            raise TypeError("a mark where a value should be")
        return value

    def _top(self) -> Inert:
        value = self._stack[-1]
        if isinstance(value, _Mark):
            raise TypeError("a mark where a value should be")
        return value

    def _since_mark(self) -> list[Inert]:
        values = []
        while not isinstance(value := self._stack.pop(), _Mark):
            values.append(value)
        return values[::-1]

    def mark(self, _: Inert) -> None:
        self._push(_Mark())

    def stop(self, _: Inert) -> None:
        self._done = True

    def remember(self, key: Inert) -> None:
        self._memo[len(self._memo) if key is None else int(key)] = self._top()

    def recall(self, key: Inert) -> None:
        self._push(self._memo[int(key)])

    def collect(self, _: Inert) -> None:
        self._push(tuple(self._since_mark()))

    def take(self, count: int) -> None:
        values = tuple(self._pop() for _ in range(count))
        self._push(values[::-1])

    def append(self, _: Inert) -> None:
        value = self._pop()
        _list(self._top()).append(value)

    def appends(self, _: Inert) -> None:
        values = self._since_mark()
        _list(self._top()).extend(values)

    def add(self, _: Inert) -> None:
        values = self._since_mark()
        target = self._top()
        if type(target) is not set:
            raise TypeError("items are added to something else than a set")
        target.update(_plain(value) for value in values)

    def put(self, _: Inert) -> None:
        value, key = self._pop(), self._pop()
        _dict(self._top())[_plain(key)] = value

    def put_all(self, _: Inert) -> None:
        values = self._since_mark()
        target = _dict(self._top())
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_plain(key)] = value

    def refer(self, names: Inert) -> None:
        module, _, name = names.partition(" ")
        self._refer(module, name)

    def stack_global(self, _: Inert) -> None:
        name, module = self._pop(), self._pop()
        self._refer(module, name)

    def _refer(self, module: Inert, name: Inert) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name is no text")
        found = Global(module, name)
        if found not in self._allowed:
            raise ModelUnavailable(
                f"the pickle refers to {module[:80]}.{name[:80]}, which is not part of a StyleGAN3 "
                "checkpoint; nothing of it was run"
            )
        self._push(found)

    def call(self, _: Inert) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise TypeError("a call of something that is no name")
        self._push(Call(function, arguments))

    def build(self, _: Inert) -> None:
        state, target = self._pop(), self._top()
        if not isinstance(target, Call) or target.state is not None:
            raise TypeError("a state for something that is no object")
        target.state = state

    def outside(self, _: Inert) -> None:
        if not self._references:
            raise ModelUnavailable("the pickle refers to data outside of it")
        self._push(Reference(self._pop()))


def _list(value: Inert) -> list[Inert]:
    if type(value) is not list:
        raise TypeError("items are appended to something else than a list")
    return value


def _dict(value: Inert) -> dict[Inert, Inert]:
    if isinstance(value, Call):
        return value.items
    if type(value) is not dict:
        raise TypeError("keys are set on something else than a dict")
    return value


def _plain(key: Inert) -> Inert:
    """A key; tuples are none, since hashing deeply nested ones exhausts the stack of C."""
    if not isinstance(key, str | bytes | int | None):
        raise TypeError("a key is neither text nor a number")
    return key


_IGNORED = frozenset({"PROTO", "FRAME"})
_LITERALS = frozenset(
    {
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
        "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    }
)  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Inert]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_STEPS: dict[str, Callable[[_Machine, Inert], None]] = {
    "MARK": _Machine.mark,
    "STOP": _Machine.stop,
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "TUPLE": _Machine.collect,
    "TUPLE1": lambda machine, _: machine.take(1),
    "TUPLE2": lambda machine, _: machine.take(2),
    "TUPLE3": lambda machine, _: machine.take(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.add,
    "SETITEM": _Machine.put,
    "SETITEMS": _Machine.put_all,
    "GLOBAL": _Machine.refer,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.outside,
}
