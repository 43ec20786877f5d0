"""LoRA adapters by request: each row of a forward has its own, or none.

A low-rank adapter adds `B A x` to a linear layer's output (Hu et al. 2021, arXiv:2106.09685, eq. 3).
Several adapters of one request are one of a larger rank: the rows of their A and the weighted
columns of their B side by side. Requests with different adapters share a forward because the
product is taken row by row (`bmm`). The network's own weights are never touched.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from models.core.errors import InvalidInput

RANKS = (4, 8, 16, 32, 64, 128, 256, 512)
"""Ranks are filled up with zeros to one of these, so that few shapes occur."""


@dataclass(frozen=True)
class LowRank:
    """What one layer learned: `up @ down`, scale included.

    Attributes:
        down: `(r, in)`.
        up: `(out, r)`.
    """

    down: torch.Tensor
    up: torch.Tensor


@dataclass(frozen=True, eq=False)
class AdapterSet:
    """The adapters of one request, merged and filled up to one rank.

    Attributes:
        rank: One of `RANKS`.
        layers: By name of the network's linear layer.
    """

    rank: int
    layers: Mapping[str, LowRank] = field(repr=False)

    @classmethod
    def merged(cls, parts: Sequence[tuple[Mapping[str, LowRank], float]]) -> "AdapterSet":
        """Several adapters with their weights.

        Raises:
            InvalidInput: Together their rank is too large.
        """
        names = sorted({name for layers, _weight in parts for name in layers})
        joined = {name: _joined([(p[name], w) for p, w in parts if name in p]) for name in names}
        needed = max((len(layer.down) for layer in joined.values()), default=1)
        rank = next((rank for rank in RANKS if rank >= needed), None)
        if rank is None:
            raise InvalidInput(f"adapters have rank {needed} together; at most {RANKS[-1]} will do")
        return cls(rank, {name: _filled(layer, rank) for name, layer in joined.items()})


@dataclass(frozen=True, eq=False)
class Adapters:
    """The adapters of one request, by what they change.

    Attributes:
        network: Of the denoising network, if they change it.
        text: By name of the text encoder.
    """

    network: AdapterSet | None = None
    text: Mapping[str, AdapterSet] = field(default_factory=dict)


def _joined(parts: Sequence[tuple[LowRank, float]]) -> LowRank:
    down = torch.cat([part.down for part, _weight in parts])
    return LowRank(down, torch.cat([part.up * weight for part, weight in parts], dim=1))


def _filled(layer: LowRank, rank: int) -> LowRank:
    missing = rank - len(layer.down)
    down = nn.functional.pad(layer.down, (0, 0, 0, missing))
    return LowRank(down, nn.functional.pad(layer.up, (0, missing)))


@dataclass(frozen=True)
class _Stacked:
    """One layer's adapters for some rows of a forward; zeros where one of them has none."""

    rows: slice
    down: torch.Tensor  # (S, in, r)
    up: torch.Tensor  # (S, r, out)


class AdaptedNetwork:
    """A network whose linear layers add each row's own adapter.

    The products of one rank are taken over the rows from the first to the last that has it, so that
    requests without adapters do not pay for their neighbours' where the rows of one rank stand side
    by side.

    Args:
        network: Of any kind; hooks are attached only to layers that some adapter has touched.
    """

    def __init__(self, network: nn.Module) -> None:
        self._layers = {
            name: module
            for name, module in network.named_modules()
            if isinstance(module, nn.Linear)
        }
        self._hooked: set[str] = set()
        self._rows: tuple[bool, tuple[AdapterSet | None, ...]] = (False, ())
        self._stacks: dict[str, list[_Stacked]] = {}
        self._active: dict[str, list[_Stacked]] = {}

    def has(self, layer: str) -> bool:
        """Whether there is a linear layer of this name."""
        return layer in self._layers

    def check(self, layers: Mapping[str, LowRank]) -> None:
        """Refuse an adapter that was made for another network.

        Raises:
            InvalidInput: A layer is absent or of another shape.
        """
        for name, part in layers.items():
            layer = self._layers.get(name)
            wanted = None if layer is None else (layer.out_features, layer.in_features)
            if wanted != (part.up.shape[0], part.down.shape[1]):
                raise InvalidInput(
                    f"the adapter does not fit the model: layer {name!r} is "
                    f"{'absent' if wanted is None else f'{wanted[0]}x{wanted[1]}'} there"
                )

    @contextmanager
    def adapted(self, rows: Sequence[AdapterSet | None], *, whole: bool = False) -> Iterator[None]:
        """Within, row `i` of every forward is adapted by `rows[i]`.

        Args:
            rows: Adapters of each row.
            whole: Take every product over all rows, so that the number of rows it has, which its
                last bit may depend on, is always that of the forward.
        """
        wanted = (whole, tuple(rows))
        if wanted != self._rows:  # sets compare by identity: the stacks serve until somebody leaves
            self._stacks = self._stacked(wanted[1], whole=whole)
            self._rows = wanted
        self._active = self._stacks
        try:
            yield
        finally:
            self._active = {}

    def _stacked(
        self, rows: tuple[AdapterSet | None, ...], *, whole: bool
    ) -> dict[str, list[_Stacked]]:
        stacks: dict[str, list[_Stacked]] = {}
        for rank in sorted({row.rank for row in rows if row is not None}):
            sharing = [row if row is not None and row.rank == rank else None for row in rows]
            there = [number for number, row in enumerate(sharing) if row is not None]
            span = slice(0, len(rows)) if whole else slice(there[0], there[-1] + 1)
            for name in sorted({name for row in sharing if row for name in row.layers}):
                self._hook(name)
                stacks.setdefault(name, []).append(_stack(sharing, span, name))
        return stacks

    def _hook(self, name: str) -> None:
        if name not in self._hooked:
            self._layers[name].register_forward_hook(self._adding(name))
            self._hooked.add(name)

    def _adding(
        self, name: str
    ) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]:
        def add(
            _module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
        ) -> torch.Tensor:
            for stack in self._active.get(name, ()):
                part = output[stack.rows]
                given = inputs[0][stack.rows].reshape(len(part), -1, inputs[0].shape[-1])
                added = torch.bmm(torch.bmm(given, stack.down), stack.up)  # (S, T, out)
                part += added.reshape(part.shape)
            return output

        return add


def _stack(rows: Sequence[AdapterSet | None], span: slice, name: str) -> _Stacked:
    found = [None if row is None else row.layers.get(name) for row in rows[span]]
    some = next(layer for layer in found if layer is not None)
    down = torch.stack([(torch.zeros_like(some.down) if f is None else f.down).T for f in found])
    up = torch.stack([(torch.zeros_like(some.up) if f is None else f.up).T for f in found])
    return _Stacked(span, down, up)
