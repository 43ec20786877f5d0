"""An invented market for a machine without a network: seeded, always marked, never mixed.

Hourly log returns are `exp(h/2)` times Student-t noise, where `h` is a persistent log variance with
the time of day in it. A coin's past does not depend on when it is asked for: the same hours have the
same prices, and days are made of the hours.
"""

import hashlib
from functools import lru_cache

import numpy as np

from models.crypto.candles import STEP_MS, FloatArray, Interval
from models.crypto.sources.bars import COLUMNS, Series, last_closed_open_ms

VENUE = "synthetic"
FIRST_MS = 1_704_067_200_000  # 2024-01-01
HOUR_MS = STEP_MS["1h"]
CHUNK = 24 * 365
HOURLY_SCALE = 0.006
PERSISTENCE, WAVER = 0.985, 0.12
FREEDOM = 4.0
PULL = 0.0005
"""Part of its distance from where it began that a price loses each hour: it stays in sight."""
NOTES = ("no market: invented prices of a seeded random process, of no value but to try things",)


def synthetic_series(symbol: str, interval: Interval, bars: int, now_s: float) -> Series:
    """The newest closed bars of a coin that does not exist.

    Args:
        symbol: Seeds the coin.
        interval: Length of a bar.
        bars: How many; at most those since 2024.
        now_s: Unix seconds.
    """
    last_ms = last_closed_open_ms(interval, 1000 * now_s)
    step = STEP_MS[interval]
    first_ms = max(FIRST_MS, last_ms - (bars - 1) * step)
    start = (first_ms - FIRST_MS) // HOUR_MS
    count = max(1, (last_ms - first_ms) // step + 1) * (step // HOUR_MS)
    first, last = start // CHUNK, (start + count - 1) // CHUNK
    chunks = [_bars(symbol, number) for number in range(first, last + 1)]
    hours = np.concatenate(chunks)[start - first * CHUNK :][:count]
    rows = hours if interval == "1h" else _days(hours)
    return Series(VENUE, symbol, interval, rows, now_s, synthetic=True, notes=NOTES)


def _seed(symbol: str) -> int:
    return int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:8], "little")


@lru_cache(maxsize=4096)
def _state(symbol: str, number: int) -> tuple[float, float]:
    """Log price, from where the coin began, and log variance at the start of a chunk."""
    if number == 0:
        return 0.0, 0.0
    return _walk(symbol, number - 1)[2:]


def _bars(symbol: str, number: int) -> FloatArray:
    """Hourly bars of one chunk, `(CHUNK, 6)`."""
    log_price, _ = _state(symbol, number)
    closes, wicks, *_ = _walk(symbol, number)
    opens = np.concatenate([[log_price], closes[:-1]])
    highs = np.maximum(opens, closes) + wicks[0]
    lows = np.minimum(opens, closes) - wicks[1]
    start = float(np.exp(np.random.default_rng(_seed(symbol)).uniform(-2.0, 7.0)))
    prices = start * np.exp(np.column_stack([opens, highs, lows, closes]))
    stamps = FIRST_MS + HOUR_MS * (np.arange(CHUNK) + number * CHUNK)
    return np.column_stack([stamps, prices, 1000 * (1 + 50 * (highs - lows))])


def _walk(symbol: str, number: int) -> tuple[FloatArray, FloatArray, float, float]:
    """Log closes and wicks of one chunk, and log price and log variance at its end."""
    from scipy.signal import lfilter  # noqa: PLC0415  # half a second that a real market never needs

    log_price, log_variance = _state(symbol, number)
    rng = np.random.default_rng((_seed(symbol), number))
    shocks = WAVER * rng.standard_normal(CHUNK)
    slow, _ = lfilter([1.0], [1.0, -PERSISTENCE], shocks, zi=[PERSISTENCE * log_variance])
    tide = 0.35 * np.sin(2 * np.pi * (np.arange(CHUNK) % 24 - 9) / 24)
    scale = HOURLY_SCALE * np.exp((slow + tide) / 2)
    returns = scale * rng.standard_t(FREEDOM, CHUNK) / np.sqrt(FREEDOM / (FREEDOM - 2))
    closes, _ = lfilter([1.0], [1.0, PULL - 1], returns, zi=[(1 - PULL) * log_price])
    wicks = np.abs(rng.standard_normal((2, CHUNK))) * 0.5 * scale
    return np.asarray(closes), wicks, float(closes[-1]), float(slow[-1])


def _days(hours: FloatArray) -> FloatArray:
    days = hours.reshape(-1, 24, COLUMNS)
    return np.column_stack(
        [
            days[:, 0, 0],
            days[:, 0, 1],
            days[:, :, 2].max(1),
            days[:, :, 3].min(1),
            days[:, -1, 4],
            days[:, :, 5].sum(1),
        ]
    )
