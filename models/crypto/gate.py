"""Do no harm: a model replaces the default only where its record is better, beyond doubt."""

from dataclasses import dataclass

from scipy.special import ndtr

from models.crypto.candles import FloatArray
from models.crypto.metrics import diebold_mariano

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

    Admitted after 500 origins with positive skill and one-sided p < .05, unless the newest 250
    show neither.

    Args:
        challenger: `(n,)`, CRPS of the model.
        default: `(n,)`, CRPS of what answers now.
        lags: Of the Newey-West variance: the longest horizon in origins.
    """
    n = len(challenger)
    if n < MIN_ORIGINS:
        why = f"{n} scored origins of the {MIN_ORIGINS} that a verdict needs"
        return Verdict(admitted=False, why=why, n=n, skill=0.0, p=1.0)
    skill, p = _compare(challenger, default, lags)
    figures = f"skill {100 * skill:+.2f} % (p {p:.3f}) over {n} origins"
    if skill <= 0 or p >= MAX_P:
        why = f"not better beyond doubt: {figures}"
        return Verdict(admitted=False, why=why, n=n, skill=skill, p=p)
    lately, p_lately = _compare(challenger[-TRAILING:], default[-TRAILING:], lags)
    if lately <= 0 and p_lately >= MAX_P:
        why = f"{figures}, but {100 * lately:+.2f} % over the newest {TRAILING}"
        return Verdict(admitted=False, why=why, n=n, skill=skill, p=p)
    return Verdict(admitted=True, why=figures, n=n, skill=skill, p=p)


def _compare(challenger: FloatArray, default: FloatArray, lags: int) -> tuple[float, float]:
    """Skill, and the one-sided p that the challenger is no better."""
    skill = 1 - float(challenger.mean() / default.mean())
    return skill, float(ndtr(diebold_mariano(challenger, default, lags)))
