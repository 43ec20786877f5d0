"""GARCH(1,1) with Student-t errors: the yardstick.

Source: Bollerslev 1986, doi:10.1016/0304-4076(86)90063-1, and 1987, doi:10.2307/1925546. The
recursion is a linear filter, so that one likelihood costs a pass in C. A yardstick from a fit that
did not converge flatters what it is compared with: three starts, and the best is polished.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.signal import lfilter
from scipy.special import gammaln

from models.crypto.candles import FloatArray, IntArray

PERCENT = 100.0
STARTS = ((3.5, -2.0, 1.0, 0.0), (6.0, -3.0, 1.0, 0.0), (9.0, -2.5, 0.5, 0.0))
BOUNDS = ((0, 14), (-8, 3), (-4, 5), (-12, 6))


@dataclass(frozen=True)
class Garch:
    """`h' = omega + alpha r^2 + beta h`, of returns in per cent.

    Attributes:
        omega: Above 0.
        alpha: Weight of the last square.
        beta: Weight of the last variance; `alpha + beta < 1`.
        nu: Degrees of freedom.
        start: Variance that the recursion begins with.
        mean_log_likelihood: Per return, in per cent.
    """

    omega: float
    alpha: float
    beta: float
    nu: float
    start: float
    mean_log_likelihood: float

    def variances(self, returns: FloatArray) -> FloatArray:
        """Variance of each return given those before it, `(n,)`, in per cent squared."""
        squares = (PERCENT * returns) ** 2
        return _filtered(self.omega, self.alpha, self.beta, squares, self.start)

    def scales(self, returns: FloatArray, horizons: IntArray) -> FloatArray:
        """Predicted deviation of the log return over the next steps, from every bar: `(n, K)`."""
        following = (
            self.omega + self.alpha * (PERCENT * returns) ** 2 + self.beta * self.variances(returns)
        )
        persistence = self.alpha + self.beta
        long_run = self.omega / (1 - persistence)
        excess = (1 - persistence**horizons) / (1 - persistence)
        total = long_run * horizons + (following[:, None] - long_run) * excess  # (n, K)
        return np.asarray(np.sqrt(total) / PERCENT)


def fit_garch(returns: FloatArray) -> Garch:
    """Maximum likelihood, with a mean of 0.

    Args:
        returns: `(n,)`, log returns; a few hundred at least.
    """
    squares = (PERCENT * returns) ** 2
    sample = max(float(squares.mean()), 1e-8)

    def loss(p: FloatArray) -> float:
        omega, alpha, beta, nu = _unpack(p, sample)
        h = _filtered(omega, alpha, beta, squares, sample)
        like = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(np.pi * (nu - 2) * h)
        return float(-np.mean(like - (nu + 1) / 2 * np.log1p(squares / (h * (nu - 2)))))

    rough = [
        minimize(loss, x0, method="Nelder-Mead", options={"maxiter": 400, "fatol": 1e-7})
        for x0 in STARTS
    ]
    first = _bounded(min(rough, key=lambda found: float(found.fun)).x)
    best = minimize(loss, first, method="L-BFGS-B", bounds=BOUNDS)
    return Garch(*_unpack(best.x, sample), start=sample, mean_log_likelihood=-float(best.fun))


def _bounded(p: FloatArray) -> FloatArray:
    """Drawn into the bounds: the simplex knows none, and bars without moves drive it anywhere."""
    return np.asarray(np.clip(p, *np.transpose(BOUNDS)))


def _unpack(values: FloatArray, sample: float) -> tuple[float, float, float, float]:
    p = _bounded(values).tolist()
    persistence, share = 0.9999 / (1 + math.exp(-p[0])), 1 / (1 + math.exp(-p[1]))
    alpha, nu = persistence * share, 2.05 + math.exp(p[2])
    return sample * math.exp(p[3]) * (1 - persistence), alpha, persistence - alpha, nu


def _filtered(
    omega: float, alpha: float, beta: float, squares: FloatArray, start: float
) -> FloatArray:
    driven = omega + alpha * np.concatenate([[start], squares[:-1]])
    h, _ = lfilter([1.0], [1.0, -beta], driven, zi=[beta * start])
    return np.asarray(np.maximum(h, 1e-14))
