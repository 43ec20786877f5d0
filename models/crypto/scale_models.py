"""The scale of the next returns, predicted from every bar by each model."""

import hashlib
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

BLENDED = 0.5
"""Part of the LSTM's correction that the blend adds to the coin's own HAR."""

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
        """Of the weights that the model's answer rests on; of several files, that of their hashes."""
        if name == "garch":
            return None
        self.pool(interval)
        parts = [self._sha256, *(self._network(each, interval)[1] for each in _networks_of(name))]
        if not all(parts):
            return None
        return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()

    def missing(self, name: ScaleName, interval: Interval) -> str | None:
        """Why a model cannot be used, or none if it can."""
        if name == "garch":
            return None
        try:
            self.pool(interval)
            for network in _networks_of(name):
                self._network(network, interval)
        except ModelUnavailable as error:
            return error.detail
        return None

    def scales(self, name: ScaleName, candles: Candles, known: int, since: int = 0) -> FloatArray:
        """Predicted scale of the log return per bar and horizon, `(n, K)`.

        Args:
            name: Of the model.
            candles: What is known, and bars after it to predict from.
            known: Bars that coefficients may be fitted on: the first so many.
            since: Row of the first bar whose prediction is needed; networks leave out those before.
        """
        if name == "garch":
            returns = log_returns(candles)
            first = max(1, known - GARCH_BARS[candles.interval])
            fitted = fit_garch(returns[first:known])
            out = np.empty((len(returns), len(KNOTS[candles.interval])))
            out[first:] = fitted.scales(returns[first:], KNOTS[candles.interval])
            out[:first] = out[first]
            return out
        return np.asarray(np.exp(0.5 * self._log_variance(name, candles, known, since)))

    def _log_variance(
        self, name: ScaleName, candles: Candles, known: int, since: int
    ) -> FloatArray:
        pool = self.pool(candles.interval)
        rows = pool.standardised(candles)
        if name in ("lstm", "patch"):
            return rows @ pool.coefficients + self._corrections(name, pool, rows, since)
        own = self._own_har(pool, rows, candles, known)
        if name == "blend":
            own += BLENDED * self._corrections("lstm", pool, rows, since)
        return own

    def _own_har(self, pool: Pool, rows: FloatArray, candles: Candles, known: int) -> FloatArray:
        targets = log_variance_sums(candles.part(0, known), KNOTS[candles.interval])
        found = fit_coefficients(rows[:known], targets, candles.interval, pool.coefficients)
        return np.asarray(rows @ found)

    def _corrections(
        self, name: "NetworkName", pool: Pool, rows: FloatArray, since: int
    ) -> FloatArray:
        from models.crypto.networks import (  # noqa: PLC0415  # brings torch
            WARM_UP,
            as_rows,
            corrections,
        )

        members, _ = self._network(name, pool.interval)
        first = max(0, since - WARM_UP)
        out = np.zeros((len(rows), len(KNOTS[pool.interval])))
        out[first:] = corrections(members, as_rows(rows[first:]), self._device)
        return out

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
        return ("lstm",)
    return (name,) if name in ("lstm", "patch") else ()
