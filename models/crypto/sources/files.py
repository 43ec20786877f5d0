"""The operator's own candle files: `BTC_1h.csv`, `BTCUSDT_1d.parquet`.

A file has the columns ts (or open_time; UTC opening of the bar, as a number or ISO 8601), open,
high, low, close and volume.
"""

import csv
import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.crypto.candles import FloatArray, Interval
from models.crypto.sources.bars import cleaned
from models.crypto.sources.failures import SourceFailure

STAMPS = ("ts", "open_time", "timestamp", "time", "date")
PRICES = ("open", "high", "low", "close", "volume")
SUFFIXES = (".csv", ".parquet")


def candle_file(folder: Path, symbol: str, interval: Interval) -> Path | None:
    """The file of a coin in a folder, or `None`."""
    names = (f"{symbol}_{interval}", f"{symbol}USDT_{interval}", f"{symbol}USD_{interval}")
    for name in names:
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path
    return None


def read_candles(path: Path, interval: Interval, now_ms: float) -> FloatArray:
    """Closed bars of a file, `(n, 6)`.

    Raises:
        SourceFailure: It cannot be read, or lacks a column.
    """
    try:
        read = _parquet if path.suffix == ".parquet" else _csv
        rows = cleaned(read(path), interval, now_ms)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise SourceFailure(f"{path.name} cannot be read: {type(error).__name__}") from error
    if not len(rows):
        raise SourceFailure(f"{path.name} holds no closed {interval} bar")
    return rows


def _csv(path: Path) -> FloatArray:
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    stamp = next(name for name in STAMPS if name in (lines[0] if lines else {STAMPS[0]}))
    rows = [[_stamp_ms(line[stamp]), *(float(line[name]) for name in PRICES)] for line in lines]
    return np.array(rows, np.float64).reshape(-1, 1 + len(PRICES))


def _parquet(path: Path) -> FloatArray:
    pandas: Any = importlib.import_module("pandas")
    frame = pandas.read_parquet(path)
    stamp = next(name for name in STAMPS if name in frame.columns)
    stamps = frame[stamp]
    if not pandas.api.types.is_numeric_dtype(stamps):
        stamps = pandas.to_datetime(stamps, utc=True).astype("datetime64[ms, UTC]").astype("int64")
    columns = [stamps.to_numpy(np.float64), *(frame[name].to_numpy(np.float64) for name in PRICES)]
    return np.column_stack(columns)


def _stamp_ms(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.timestamp() * 1000
