"""How often each base model will be asked for next, from how often it was asked for."""

import math
from collections.abc import Iterator

SPANS_S = (90.0, 1_800.0, 86_400.0)
TRUST = (0.5, 0.3, 0.2)  # in what each span says; they sum to 1
FORGOTTEN = 1e-6  # requests per second


class Popularity:
    """Requests per second of each model, as memories of different length say it together.

    Of two requests with the same model half come within a minute or two and one in ten after hours
    (GenTD26), so that one span alone forgets either what is asked for now or what always is.
    """

    def __init__(self) -> None:
        self._counts: dict[int, list[float]] = {}
        self._now_s = 0.0

    def note(self, model: int) -> None:
        """One request for a model, now."""
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = [0.0] * len(SPANS_S)
        for place in range(len(SPANS_S)):
            counts[place] += 1.0

    def rates(self, now_s: float) -> dict[int, float]:
        """Requests per second by model; what is hardly asked for is left out."""
        elapsed_s, self._now_s = now_s - self._now_s, now_s
        fades = [math.exp(-elapsed_s / span_s) for span_s in SPANS_S]
        for counts in self._counts.values():
            for place, fade in enumerate(fades):
                counts[place] *= fade
        # A span that is longer than what was seen of it counts for what was seen.
        weights = [
            trust / (span_s * -math.expm1(-max(now_s, 1.0) / span_s))
            for trust, span_s in zip(TRUST, SPANS_S, strict=True)
        ]
        return dict(self._known(weights))

    def _known(self, weights: list[float]) -> Iterator[tuple[int, float]]:
        for model, counts in self._counts.items():
            rate = sum(w * count for w, count in zip(weights, counts, strict=True))
            if rate > FORGOTTEN:
                yield model, rate
