"""Which models of forecasts there are, and why some are not."""

from typing import get_args

from models.core.capability import ModelCard
from models.crypto.candles import Interval
from models.crypto.scale_models import ScaleModels, ScaleName


def model_cards(models: ScaleModels, version: str = "1") -> tuple[ModelCard, ...]:
    """One card for each model, with the intervals that it cannot serve."""
    cards = []
    for name in get_args(ScaleName):
        lacking = {
            interval: why
            for interval in get_args(Interval)
            if (why := models.missing(name, interval)) is not None
        }
        served = [interval for interval in get_args(Interval) if interval not in lacking]
        reason = "; ".join(f"{interval}: {why}" for interval, why in lacking.items())
        cards.append(
            ModelCard(
                name=name,
                version=version if served else "none",
                weights_sha256=models.sha256(name, served[0]) if served else None,
                available=bool(served),
                reason=reason or None,
            )
        )
    return tuple(cards)
