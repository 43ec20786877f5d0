"""What breaks when: the same seed gives the same schedule."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["capability", "orchestrator", "gateway", "proxy", "controller", "database"]
Blow = Literal["kill", "freeze", "restart"]

WEIGHTS: Final[Mapping[tuple[Role, Blow], float]] = {
    ("capability", "kill"): 26,
    ("capability", "freeze"): 14,
    ("orchestrator", "kill"): 24,
    ("orchestrator", "freeze"): 16,
    ("gateway", "kill"): 8,
    ("proxy", "kill"): 4,
    ("controller", "kill"): 4,
    ("database", "restart"): 4,
}
PAUSE_S: Final = (0.2, 1.6)
FREEZE_S: Final = (0.1, 4.5)  # beyond the lease, so that some wake up taken over


@dataclass(frozen=True)
class Fault:
    """One thing that breaks.

    Attributes:
        role: What is hit.
        blow: How.
        pause_s: Before it.
        freeze_s: How long a frozen process stays so.
        choice: 0-1, which of the processes that are there.
    """

    role: Role
    blow: Blow
    pause_s: float
    freeze_s: float
    choice: float


def plan(count: int, seed: int, without: frozenset[Role] = frozenset()) -> Iterator[Fault]:
    """So many faults.

    Args:
        count: How many.
        seed: The same one gives the same faults.
        without: What can't be reached.
    """
    dice = random.Random(seed)  # noqa: S311 - no secret
    kinds = [kind for kind in WEIGHTS if kind[0] not in without]
    weights = [WEIGHTS[kind] for kind in kinds]
    for _ in range(count):
        role, blow = dice.choices(kinds, weights)[0]
        pause_s, freeze_s = dice.uniform(*PAUSE_S), dice.uniform(*FREEZE_S)
        yield Fault(role, blow, pause_s, freeze_s, dice.random())
