"""Candles on disk: one row per venue, coin and interval. SQLite in WAL mode.

What can be fetched again is kept beside what must last only so that a restart, and a laptop without
a network, begin with it. A file that cannot be opened or written costs speed, not answers.
"""

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np

from models.core.durable import make_folder
from models.crypto.candles import Interval
from models.crypto.sources.bars import COLUMNS, Series

KEPT_BARS = 8_000
BUSY_S = 5.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    venue TEXT NOT NULL, symbol TEXT NOT NULL, interval TEXT NOT NULL, rows BLOB NOT NULL,
    notes TEXT NOT NULL, fetched_at_s REAL NOT NULL, first_open_ms INTEGER NOT NULL,
    PRIMARY KEY (symbol, interval, venue)
) STRICT;
"""
FIND = """
SELECT venue, rows, notes, fetched_at_s FROM series WHERE symbol = ? AND interval = ?
ORDER BY fetched_at_s DESC
"""
SAVE = "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?, ?, ?)"

logger = logging.getLogger(__name__)


class CandleStore:
    """Keeps what venues sent; safe for threads.

    Args:
        path: Of the file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        try:
            make_folder(path.parent)
            self._db = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            logger.warning("candles are not kept", extra={"problem": str(error)})

    def find(self, symbol: str, interval: Interval) -> list[Series]:
        """What is kept of a coin, the newest answer first."""
        found = []
        with self._lock:
            rows = self._read(FIND, (symbol, interval))
        for venue, content, notes, fetched_at_s in rows:
            values = np.frombuffer(content, np.float64).reshape(-1, COLUMNS)
            said = tuple(filter(None, notes.split("\n")))
            found.append(Series(venue, symbol, interval, values, fetched_at_s, notes=said))
        return found

    def save(self, series: Series) -> None:
        """Keep the newest bars of a venue in place of what was kept of it."""
        assert not series.synthetic  # noqa: S101  # what is invented is never kept beside the real
        rows = np.ascontiguousarray(series.rows[-KEPT_BARS:], np.float64)
        values = (
            series.venue,
            series.symbol,
            series.interval,
            rows.tobytes(),
            "\n".join(series.notes),
            series.fetched_at_s,
            int(rows[0, 0]),
        )
        with self._lock:
            try:
                if self._db is not None:
                    self._db.execute(SAVE, values)
            except sqlite3.Error as error:
                logger.warning("candles are not kept", extra={"problem": str(error)})

    def spans(self) -> dict[str, dict[str, int]]:
        """Opening of the first bar that is kept, by symbol and venue."""
        with self._lock:
            rows = self._read("SELECT symbol, venue, min(first_open_ms) FROM series GROUP BY 1, 2")
        found: dict[str, dict[str, int]] = {}
        for symbol, venue, first_open_ms in rows:
            found.setdefault(symbol, {})[venue] = first_open_ms
        return found

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _read(self, query: str, values: tuple[str, ...] = ()) -> list[Any]:
        try:
            return [] if self._db is None else self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            logger.warning("candles cannot be read", extra={"problem": str(error)})
            return []
