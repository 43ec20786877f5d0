"""What a bar tells of the volatility to come: ranges at many time scales, leverage, volume, clock.

Logs of averaged variances carry the heterogeneous scales of Corsi 2009,
doi:10.1093/jjfinec/nbp001; harmonics of the hour and the week carry the daily round of markets.
"""

import numpy as np

from models.crypto.candles import Candles, FloatArray, Interval
from models.crypto.series import decayed_mean, garman_klass, log_returns, trailing_mean

FLOOR = 1e-9
"""Variance that a bar without trades counts as."""
DECAY = 0.97
LIMIT = 8.0
RANGES: dict[Interval, tuple[int, ...]] = {
    "1h": (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720),
    "1d": (1, 2, 3, 5, 10, 22, 66),
}
MOVES: dict[Interval, tuple[int, ...]] = {"1h": (6, 24, 168), "1d": (5, 22)}
VOLUMES: dict[Interval, tuple[tuple[int, int], ...]] = {
    "1h": ((1, 168), (6, 168), (24, 168), (168, 720)),
    "1d": ((1, 22), (5, 22), (22, 66)),
}
HOUR_MS = 3_600_000
SETTLED = {"1h": 168, "1d": 22}
"""Bars before which the averages are too short to learn from."""


def feature_matrix(candles: Candles) -> FloatArray:
    """One row per bar, known when it closes: `(n, F)`, without the constant."""
    interval = candles.interval
    variance, returns = garman_klass(candles), log_returns(candles)
    columns = _ranges(variance, returns, interval)
    columns += _moves(returns, interval)
    columns += _volumes(candles.volume, interval)
    columns += _clock(candles)
    return np.column_stack(columns)


def _log(x: FloatArray) -> FloatArray:
    return np.asarray(np.log(x + FLOOR))


def _ranges(variance: FloatArray, returns: FloatArray, interval: Interval) -> list[FloatArray]:
    logs = {span: _log(trailing_mean(variance, span)) for span in RANGES[interval]}
    columns = list(logs.values())
    squares = returns**2
    columns += [_log(trailing_mean(squares, span)) - logs[span] for span in RANGES[interval][3::2]]
    return columns


def _moves(returns: FloatArray, interval: Interval) -> list[FloatArray]:
    level = np.sqrt(decayed_mean(returns**2, DECAY)) + FLOOR
    columns = [np.minimum(returns, 0) / level, np.abs(returns) / level]
    for span in MOVES[interval]:
        move = trailing_mean(returns, span) * np.sqrt(span) / level
        columns += [move, np.abs(move)]
    return [np.clip(column, -LIMIT, LIMIT) for column in columns]


def _volumes(volume: FloatArray, interval: Interval) -> list[FloatArray]:
    columns = []
    for short, long in VOLUMES[interval]:
        ratio = (trailing_mean(volume, short) + FLOOR) / (trailing_mean(volume, long) + FLOOR)
        columns.append(np.clip(np.log(ratio), -LIMIT, LIMIT))
    return columns


def _clock(candles: Candles) -> list[FloatArray]:
    hours = candles.opens_at_ms // HOUR_MS
    weekday = (hours // 24 + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    if candles.interval == "1d":
        return [(weekday == day).astype(float) for day in (3, 4, 5, 6)]
    hour, slot = hours % 24, weekday * 24 + hours % 24
    turns = [hour * k / 24 for k in (1, 2, 3, 4)] + [slot * k / 168 for k in (1, 2, 3)]
    columns = [wave(2 * np.pi * turn) for turn in turns for wave in (np.sin, np.cos)]
    columns += [
        (weekday >= 5).astype(float),
        ((weekday == 4) & (hour >= 20)).astype(float),
        ((weekday == 6) & (hour >= 20)).astype(float),
    ]
    return columns
