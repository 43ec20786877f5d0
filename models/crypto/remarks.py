"""What is said beside an answer: which record it belongs to, how old its candles are, why there is none."""

from models.core.errors import CapabilityError
from models.crypto.schema import Refused
from models.crypto.sources.market import Found

STALE_STEPS = 2.0


def market_kind(found: Found) -> str:
    """Which record forecasts of these candles belong to."""
    if found.provenance.source == "request":
        return "request"
    return "synthetic" if found.series.synthetic else "real"


def ageing(found: Found) -> tuple[str, ...]:
    """What a reader must know of the candles."""
    said = []
    provenance = found.provenance
    if provenance.synthetic:
        said.append("no source of candles answered: these are odds of an invented market")
    elif provenance.source in ("stale", "files") and provenance.age_s > STALE_STEPS * (
        3600 if found.series.interval == "1h" else 86_400
    ):
        said.append(f"the last candle closed {provenance.age_s / 3600:.1f} h ago: steps count on")
    return tuple(said)


def refused(symbol: str, error: CapabilityError) -> Refused:
    """An error as the answer of one symbol."""
    return Refused(symbol=symbol, code=error.code, detail=error.detail)
