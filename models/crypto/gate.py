"""Do no harm: a model replaces the default only where its record is better, beyond doubt."""

from dataclasses import dataclass

import numpy as np

from models.crypto.candles import FloatArray

MIN_ORIGINS = 500
MAX_P = 0.05
TRAILING = 250


@dataclass(frozen=True)
class Verdict:
    """Whether a model is admitted.

    Attributes:
        admitted: Whether it may answer.
        why: In one sentence, with the figures.
        n: Scored origins.
        skill: CRPS skill over the default.
        p: One-sided Diebold-Mariano p.
    """

    admitted: bool
    why: str
    n: int
    skill: float
    p: float


def judge(challenger: FloatArray, default: FloatArray, *, lags: int) -> Verdict:
    """Compare losses on the same origins, oldest first.

    Args:
        challenger: `(n,)`, CRPS of the model.
        default: `(n,)`, CRPS of what answers now.
        lags: Of the Newey-West variance: the longest horizon in origins.
    """
    n = len(np.asarray(challenger))
    return Verdict(admitted=False, why="not judged", n=n, skill=0.0, p=1.0)
