"""How often each base model will be asked for next, from how often it was asked for."""

import math
from typing import Generic

from models.scaling.placement import ModelT

SPANS_S = (90.0, 1_800.0, 86_400.0)
PRIOR = 3.0
"""Requests that the longer spans count for beside those that a span has seen itself."""
RARE = 1e-3  # of all requests
FORGOTTEN = 1e-9  # requests


class Popularity(Generic[ModelT]):
    """Share of each model in the next requests, as memories of different length say it together.

    Of two requests with the same model half come within a minute or two and one in ten after hours
    (GenTD26), so one span alone forgets either what is asked for now or what always is. Each span
    says as much as it has seen: where requests are many the shortest rules, where they are few the
    longer ones do. That is smoothing by a hierarchy of Dirichlet priors (MacKay & Peto 1995).

    Args:
        now_s: The time at which it begins.
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self._counts: dict[ModelT, list[float]] = {}
        self._now_s = now_s

    def note(self, model: ModelT, times: float = 1.0) -> None:
        """Requests for a model, now."""
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = [0.0] * len(SPANS_S)
        for place in range(len(SPANS_S)):
            counts[place] += times

    def shares(self, now_s: float) -> dict[ModelT, float]:
        """Share of each model; what is hardly asked for is left out."""
        elapsed_s, self._now_s = now_s - self._now_s, now_s
        fades = [math.exp(-elapsed_s / span_s) for span_s in SPANS_S]
        for counts in self._counts.values():
            for place, fade in enumerate(fades):
                counts[place] *= fade
        self._counts = {m: counts for m, counts in self._counts.items() if counts[-1] > FORGOTTEN}
        shares = dict.fromkeys(self._counts, 0.0)
        prior = 0.0
        for place in reversed(range(len(SPANS_S))):
            seen = sum(counts[place] for counts in self._counts.values()) + prior
            if seen > 0:
                shares = {
                    model: (counts[place] + prior * shares[model]) / seen
                    for model, counts in self._counts.items()
                }
            prior = PRIOR
        return {model: share for model, share in shares.items() if share > RARE}
