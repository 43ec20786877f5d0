"""The scale of the next returns, predicted from every bar by each model."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from models.core.errors import ModelUnavailable
from models.core.weights import load_json
from models.crypto.candles import Candles, FloatArray, Interval
from models.crypto.garch import fit_garch
from models.crypto.har import Pool, fit_coefficients, log_variance_sums
from models.crypto.series import log_returns
from models.crypto.shapes import KNOTS

if TYPE_CHECKING:
    from torch import nn

    from models.crypto.networks import NetworkName

WEIGHTS = Path(__file__).parent / "weights"
POOL = "pool.json"
ScaleName = Literal["har", "lstm", "patch", "garch", "blend"]
GARCH_BARS: dict[Interval, int] = {"1h": 6000, "1d": 1000}
"""Returns that the yardstick is fitted on: the newest ones."""

logger = logging.getLogger(__name__)


class ScaleModels:
    """Models with their weights, loaded when first needed; safe for threads.

    Args:
        weights: Folder of `pool.json` and the networks.
        device: Of torch.
        pools: Instead of those of the folder.
        members: Networks per name and interval instead of those of the folder.
    """

    def __init__(
        self,
        weights: Path = WEIGHTS,
        device: str = "cpu",
        pools: dict[Interval, Pool] | None = None,
        members: "dict[tuple[NetworkName, Interval], list[nn.Module]] | None" = None,
    ) -> None:
        self._weights, self._device = weights, device
        self._pools = pools
        self._given = members is not None
        self._members = {key: (value, "") for key, value in (members or {}).items()}
        self._sha256 = ""
        self._lock = threading.Lock()

    def pool(self, interval: Interval) -> Pool:
        """Pooled coefficients and shapes.

        Raises:
            ModelUnavailable: They are missing.
        """
        with self._lock:
            if self._pools is None:
                content, self._sha256 = load_json(self._weights, POOL)
                self._pools = {
                    name: Pool.from_json(name, content[name])
                    for name in get_args(Interval)
                    if name in content
                }
        if interval not in self._pools:
            raise ModelUnavailable(f"no model of {interval} bars is installed; train one")
        return self._pools[interval]

    def sha256(self, name: ScaleName, interval: Interval) -> str | None:
        """Of the file of weights that the model took part of its answer from."""
        if name == "garch":
            return None
        if name == "har":
            return self._sha256 or None
        return self._network("lstm" if name == "blend" else name, interval)[1] or None

    def missing(self, name: ScaleName, interval: Interval) -> str | None:
        """Why a model cannot be used, or none if it can."""
        try:
            self.pool(interval)
            for network in _networks_of(name):
                self._network(network, interval)
        except ModelUnavailable as error:
            return error.detail
        return None

    def scales(self, name: ScaleName, candles: Candles, known: int) -> FloatArray:
        """Predicted scale of the log return per bar and horizon, `(n, K)`.

        Args:
            name: Of the model.
            candles: What is known, and bars after it to predict from.
            known: Bars that coefficients may be fitted on: the first so many.
        """
        if name == "garch":
            returns = log_returns(candles)
            first = max(1, known - GARCH_BARS[candles.interval])
            fitted = fit_garch(returns[first:known])
            out = np.empty((len(returns), len(KNOTS[candles.interval])))
            out[first:] = fitted.scales(returns[first:], KNOTS[candles.interval])
            out[:first] = out[first]
            return out
        return np.asarray(np.exp(0.5 * self._log_variance(name, candles, known)))

    def _log_variance(self, name: ScaleName, candles: Candles, known: int) -> FloatArray:
        pool = self.pool(candles.interval)
        rows = pool.standardised(candles)
        own = self._own_har(pool, rows, candles, known) if name in ("har", "blend") else None
        learned = [
            self._corrections(network, pool, rows) + rows @ pool.coefficients
            for network in _networks_of(name)
        ]
        if own is None:
            return learned[0]
        if not learned:
            return own
        return np.asarray(0.5 * own + 0.5 * np.mean(learned, axis=0))

    def _own_har(self, pool: Pool, rows: FloatArray, candles: Candles, known: int) -> FloatArray:
        targets = log_variance_sums(candles.part(0, known), KNOTS[candles.interval])
        found = fit_coefficients(rows[:known], targets, candles.interval, pool.coefficients)
        return np.asarray(rows @ found)

    def _corrections(self, name: "NetworkName", pool: Pool, rows: FloatArray) -> FloatArray:
        from models.crypto.networks import as_rows, corrections  # noqa: PLC0415  # brings torch

        members, _ = self._network(name, pool.interval)
        return corrections(members, as_rows(rows), self._device)

    def _network(self, name: "NetworkName", interval: Interval) -> "tuple[list[nn.Module], str]":
        pool = self.pool(interval)
        with self._lock:
            if (name, interval) not in self._members:
                if self._given:
                    raise ModelUnavailable(f"{name} was not trained for {interval} bars")
                from models.crypto.networks import load_members  # noqa: PLC0415  # brings torch

                self._members[name, interval] = load_members(
                    self._weights, name, interval, len(pool.mean), len(KNOTS[interval])
                )
                logger.info("weights loaded", extra={"model": name, "interval": interval})
            return self._members[name, interval]


def _networks_of(name: ScaleName) -> "tuple[NetworkName, ...]":
    if name == "blend":
        return ("lstm", "patch")
    return (name,) if name in ("lstm", "patch") else ()
