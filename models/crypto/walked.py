"""Forecasts of a back-test beside what came."""

from dataclasses import dataclass

from models.crypto.candles import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Walked:
    """Forecasts of one model on the origins of a back-test.

    Attributes:
        rows: `(m,)`, bars that the forecasts were made at, increasing.
        curves: `(m, H, G)`, quantiles of the log return at the levels of `GRID`.
        truth: `(m, H)`.
        cost_s: CPU seconds.
    """

    rows: IntArray
    curves: FloatArray
    truth: FloatArray
    cost_s: float
