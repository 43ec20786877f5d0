"""Moves sampled positions as little as the stated relations and plain solidity demand."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.image.scene.brief import Placement

Points = NDArray[np.float64]
MARGIN_M = 0.06
ROUNDS = 400
SLANT = 0.45
"""How far a directed pair may stray sideways, as a share of its distance."""
_AXES = {"left": (0, 1), "right": (0, -1), "front": (1, 1), "behind": (1, -1)}


@dataclass(frozen=True)
class Layout:
    """Where things stand.

    Attributes:
        positions: x and y of each axis, `(n, 2)`.
        supports: Index of the object beneath, per object.
        scales: Factor on each size, below 1 where a support would be too small.
    """

    positions: Points
    supports: tuple[int | None, ...]
    scales: Points


def solve(
    radii: Points, start: Points, placements: tuple[Placement, ...], arrangement: str | None = None
) -> Layout:
    """Find a layout without overlaps that obeys the placements.

    Args:
        radii: Of each object's footprint, metres.
        start: Sampled positions, `(n, 2)`.
        placements: Contradictory ones are met as far as possible.
        arrangement: Of all objects.
    """
    supports = _supports(len(radii), placements, arrangement)
    offsets, scales = _on_top(radii, supports)
    bases = [_base(index, supports) for index in range(len(radii))]
    footprint = radii * scales
    for index, base in enumerate(bases):
        reach = float(np.linalg.norm(offsets[index])) + footprint[index]
        footprint[base] = max(footprint[base], reach if index != base else 0)
    standing = [index for index in range(len(radii)) if bases[index] == index]
    points = _spread(start.astype(np.float64))
    solver = _Solver(footprint, standing, bases, placements, arrangement)
    points = solver.settle(points)
    points = points[bases] + offsets
    low, high = points[standing].min(0), points[standing].max(0)
    return Layout(points - (low + high) / 2, supports, scales)


def _spread(points: Points) -> Points:
    """Tell apart points that coincide, so that they can be pushed apart."""
    turn = np.arange(len(points)) * 2.4
    return points + 1e-3 * np.stack([np.cos(turn), np.sin(turn)], 1)


def _supports(
    count: int, placements: tuple[Placement, ...], arrangement: str | None
) -> tuple[int | None, ...]:
    supports: list[int | None] = [None] * count
    if arrangement == "stack":
        return (None, *range(count - 1))
    for placement in placements:
        if placement.relation == "on" and supports[placement.figure] is None:
            below = placement.grounds[0]
            if _base(below, tuple(supports)) != placement.figure:
                supports[placement.figure] = below
    return tuple(supports)


def _base(index: int, supports: tuple[int | None, ...]) -> int:
    below = supports[index]
    while below is not None:
        index, below = below, supports[below]
    return index


def _on_top(radii: Points, supports: tuple[int | None, ...]) -> tuple[Points, Points]:
    """Offsets from the base and scales of what rests on something."""
    offsets, scales = np.zeros((len(radii), 2)), np.ones(len(radii))
    done = {index for index, below in enumerate(supports) if below is None}
    while len(done) < len(radii):
        waiting = {s for i, s in enumerate(supports) if i not in done and s is not None}
        for below in sorted(waiting & done):
            guests = [index for index, support in enumerate(supports) if support == below]
            room = radii[below] * scales[below]
            places, largest = _seats(len(guests), float(room))
            for guest, place in zip(guests, places, strict=True):
                scales[guest] = min(1.0, largest / radii[guest])
                offsets[guest] = offsets[below] + place
            done.update(guests)
    return offsets, scales


def _seats(guests: int, room: float) -> tuple[Points, float]:
    """Places on a round top of radius `room`, and the radius that each has to itself."""
    if guests == 1:
        return np.zeros((1, 2)), 1.15 * room
    largest = room * math.sin(math.pi / guests) / (1 + math.sin(math.pi / guests))
    turn = 2 * math.pi * np.arange(guests) / guests
    ring = (room - largest) * np.stack([np.cos(turn), np.sin(turn)], 1)
    return ring, 0.85 * largest


class _Solver:
    """Projects positions onto one constraint after the other until none moves them."""

    def __init__(
        self,
        radii: Points,
        standing: list[int],
        bases: list[int],
        placements: tuple[Placement, ...],
        arrangement: str | None,
    ) -> None:
        self.radii, self.standing, self.arrangement = radii, standing, arrangement
        self.pairs = [(i, j) for n, i in enumerate(standing) for j in standing[:n]]
        self.directed: list[tuple[int, str, int]] = []
        self.between: list[tuple[int, int, int]] = []
        for placement in placements:
            figure, grounds = bases[placement.figure], [bases[g] for g in placement.grounds]
            if placement.relation == "between" and len({figure, *grounds}) >= 3:
                self.between.append((figure, grounds[0], grounds[1]))
                continue
            relation = "near" if placement.relation == "between" else placement.relation
            self.directed += [
                (figure, relation, g) for g in grounds if g != figure and relation != "on"
            ]

    def settle(self, points: Points) -> Points:
        """Iterate to a fixed point; where there is none, solidity has the last word."""
        for round_ in range(ROUNDS):
            before = points.copy()
            if round_ < ROUNDS // 4:
                centre = points[self.standing].mean(0)
                points[self.standing] += 0.03 * (centre - points[self.standing])
            if self.arrangement in ("row", "circle"):
                self._arrange(points)
            for figure, a, b in self.between:
                self._put_between(points, figure, a, b)
            for figure, relation, ground in self.directed:
                self._put(points, figure, relation, ground)
            for i, j in self.pairs:
                self._part(points, i, j)
            if round_ >= ROUNDS // 4 and np.abs(points - before).max() < 1e-5:
                return points
        for _ in range(ROUNDS // 4):
            for i, j in self.pairs:
                self._part(points, i, j)
        return points

    def _reach(self, i: int, j: int) -> float:
        return float(self.radii[i] + self.radii[j]) + MARGIN_M

    def _part(self, points: Points, i: int, j: int) -> None:
        """Push two overlapping footprints apart."""
        apart = points[i] - points[j]
        distance = max(float(np.linalg.norm(apart)), 1e-9)
        lacking = self._reach(i, j) - distance
        if lacking > 0:
            push = apart / distance * (lacking / 2 + 1e-4)
            points[i] += push
            points[j] -= push

    def _put(self, points: Points, figure: int, relation: str, ground: int) -> None:
        reach = self._reach(figure, ground)
        if relation == "near":
            apart = points[figure] - points[ground]
            distance = max(float(np.linalg.norm(apart)), 1e-9)
            excess = distance - 1.2 * reach
            if excess > 0:
                points[figure] -= apart / distance * excess / 2
                points[ground] += apart / distance * excess / 2
            return
        axis, sign = _AXES[relation]
        along = sign * float(points[ground, axis] - points[figure, axis])
        lacking = 0.92 * reach - along
        if lacking > 0:
            points[figure, axis] -= sign * (lacking / 2 + 1e-4)
            points[ground, axis] += sign * (lacking / 2 + 1e-4)
        reached = max(along, 0.92 * reach)
        nearer, further = (figure, ground) if sign > 0 else (ground, figure)
        hidden = float(self.radii[nearer] - 0.3 * self.radii[further]) if axis else 0.0
        self._slide(
            points, figure, ground, 1 - axis, (min(hidden, 0.9 * SLANT * reached), SLANT * reached)
        )

    def _slide(
        self, points: Points, figure: int, ground: int, axis: int, limits: tuple[float, float]
    ) -> None:
        """Bring the sideways distance of a directed pair within limits: in line, but in sight."""
        aside = float(points[figure, axis] - points[ground, axis])
        wanted = float(np.clip(abs(aside), max(limits[0], 0.0), limits[1]))
        push = (wanted - abs(aside)) * math.copysign(0.5, aside)
        points[figure, axis] += push
        points[ground, axis] -= push

    def _put_between(self, points: Points, figure: int, a: int, b: int) -> None:
        """Make room between two objects along the line they span, kept mostly across the view."""
        line = points[b] - points[a]
        line[1] = np.clip(line[1], -0.35 * abs(line[0]) - 0.05, 0.35 * abs(line[0]) + 0.05)
        distance = max(float(np.linalg.norm(line)), 1e-9)
        along = line / distance
        room = self._reach(figure, a) + self._reach(figure, b)
        middle = (points[a] + points[b]) / 2
        half = float(np.clip(distance, room, 1.25 * room)) / 2
        points[a], points[b] = middle - along * half, middle + along * half
        share = (self._reach(figure, a) - self._reach(figure, b)) / 2
        points[figure] = middle + along * share

    def _arrange(self, points: Points) -> None:
        """Draw the objects to a line across the view, or to a ring."""
        members = self.standing
        centre = points[members].mean(0)
        widest = float(max(self.radii[m] for m in members)) + MARGIN_M
        for place, member in enumerate(members):
            if self.arrangement == "row":
                target = centre + np.array([(place - (len(members) - 1) / 2) * 2 * widest, 0.0])
            else:
                turn = 2 * math.pi * place / len(members) + math.pi / 2
                ring = widest / math.sin(math.pi / max(len(members), 2)) if len(members) > 1 else 0
                target = centre + ring * np.array([math.cos(turn), math.sin(turn)])
            points[member] = target


def obeys(layout: Layout, radii: Points, placement: Placement) -> bool:
    """Whether a placement holds, by the geometry that a viewer would judge it by."""
    points, figure = layout.positions, placement.figure
    if placement.relation == "on":
        return layout.supports[figure] == placement.grounds[0]
    apart = [points[figure] - points[ground] for ground in placement.grounds]
    if placement.relation == "between" and len(apart) >= 2:
        return bool(np.dot(apart[0], apart[1]) < 0)
    if placement.relation in ("near", "between"):
        reach = [radii[figure] + radii[g] for g in placement.grounds]
        return all(np.linalg.norm(d) < 1.6 * r + 0.2 for d, r in zip(apart, reach, strict=True))
    axis, sign = _AXES[placement.relation]
    return all(-sign * d[axis] > abs(d[1 - axis]) for d in apart)
