"""Every forecast served, written down before it is answered, and its scores. SQLite in WAL mode.

Nothing is chosen: a step whose price never came to be known is counted as such, and only age decides
what is removed when the record grows too old or too long; how many those were stays on record. With
`synchronous = FULL` an answer that was sent is on record after a power cut as well.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.core.durable import make_folder
from models.core.errors import ModelUnavailable, StorageFull
from models.crypto.candles import STEP_MS, FloatArray, Interval
from models.crypto.conformal import ConformalState, fresh
from models.crypto.ledger_sql import (
    DUE,
    FORGET_CALIBRATION,
    FORGOTTEN,
    GROUPS,
    INSERT,
    LOSSES,
    NOTE_REMOVED,
    OLDEST,
    RECORD,
    REMOVE,
    SCHEMA,
)
from models.crypto.schema import Record
from models.crypto.scoring import LEVELS, Logged, Score

BUSY_S = 5.0
WINDOW = 2_000
"""Forecasts that a rolling record looks back on."""


@dataclass(frozen=True, eq=False)
class NewForecast:
    """What is written down of a forecast before it is answered."""

    id: str
    owner: str
    market: str
    symbol: str
    interval: Interval
    venue: str
    model: str
    weights: str
    served_at_s: float
    made_at_ms: int
    last_close_usd: float
    adapts: bool
    quantiles: FloatArray
    bounds: FloatArray
    baseline: FloatArray
    p_up: FloatArray


@dataclass(frozen=True)
class Totals:
    """What a market's record counts, removed forecasts included.

    Attributes:
        served: Forecasts.
        pending: Steps to come.
        scored: Steps.
        missing: Steps without truth.
        removed: Forecasts of which only these counts are left.
        since_s: When the first one was served, Unix time.
    """

    served: int
    pending: int
    scored: int
    missing: int
    removed: int
    since_s: float | None


class Ledger:
    """Appends forecasts, keeps scores; safe for threads.

    Args:
        path: Of the file; its folder is made.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            make_folder(path.parent)
            self._db = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise ModelUnavailable(f"{path} cannot be opened: {error}; see its folder") from error

    def append(self, forecasts: Sequence[NewForecast]) -> None:
        """Write forecasts down; one that is on record already stays as it was.

        Raises:
            StorageFull: Nothing was written.
        """
        rows = [
            (
                *(each.id, each.owner, each.market, each.symbol, each.interval, each.venue),
                *(each.model, each.weights, each.served_at_s, each.made_at_ms),
                *(each.last_close_usd, len(each.quantiles), int(each.adapts)),
                *(_packed(part) for part in (each.quantiles, each.bounds, each.baseline)),
                *(_packed(each.p_up), each.made_at_ms + STEP_MS[each.interval]),
            )
            for each in forecasts
        ]
        with self._transaction():
            self._db.executemany(INSERT, rows)

    def due(
        self, symbol: str, interval: Interval, market: str, owner: str, venue: str, now_ms: int
    ) -> list[Logged]:
        """Forecasts of one coin and venue with a step that has ended."""
        values = (symbol, interval, market, owner, venue, now_ms)
        return [_logged(row) for row in self._read(DUE, values)]

    def due_pairs(self, now_ms: int, limit: int) -> list[tuple[str, Interval]]:
        """Coins of real markets with a step that has ended, the longest overdue first."""
        query = (
            "SELECT symbol, interval FROM forecast WHERE due_ms <= ? AND market = 'real' "
            "GROUP BY symbol, interval ORDER BY min(due_ms) LIMIT ?"
        )
        return [(row[0], row[1]) for row in self._read(query, (now_ms, limit))]

    def without_yardstick(self, limit: int) -> list[Logged]:
        """Finished forecasts of real markets that were not compared with GARCH yet."""
        return [_logged(row) for row in self._read(FORGOTTEN, (limit,))]

    def score(self, scored: Sequence[tuple[Logged, Sequence[Score]]]) -> None:
        """Keep scores, all or none.

        Raises:
            StorageFull: Nothing was written.
        """
        with self._transaction():
            for forecast, scores in scored:
                self._db.executemany(
                    "INSERT OR IGNORE INTO score (seq, step, truth, crps, crps_walk, inside_80, "
                    "inside_95, raw_inside_80, raw_inside_95, brier) VALUES (?,?,?,?,?,?,?,?,?,?)",
                    [_row(forecast.seq, each) for each in scores],
                )
                done = scores[-1].step
                due_ms = forecast.made_at_ms + (done + 1) * STEP_MS[forecast.interval]
                self._db.execute(
                    "UPDATE forecast SET done = ?, due_ms = ? WHERE seq = ?",
                    (done, due_ms if done < len(forecast.quantiles) else None, forecast.seq),
                )

    def add_yardstick(self, seq: int, crps: Sequence[float]) -> None:
        """Keep what GARCH scored on the steps of a forecast; none if it could not be fitted."""
        with self._transaction():
            self._db.executemany(
                "UPDATE score SET crps_garch = ? WHERE seq = ? AND step = ? AND truth IS NOT NULL",
                [(value, seq, step) for step, value in enumerate(crps, 1)],
            )
            self._db.execute("UPDATE forecast SET has_garch = 1 WHERE seq = ?", (seq,))

    def record(
        self, symbol: str, interval: Interval, market: str, owner: str, model: str
    ) -> Record:
        """How one model did on one coin."""
        (row,) = self._read(RECORD, (symbol, interval, market, owner, model, WINDOW))
        n, forecasts, missing, own, walk, beside_garch, garch, n_garch, in_80, in_95, brier = row
        return Record(
            n=n,
            forecasts=forecasts,
            missing_truth=missing,
            crps_skill=_skill(own, walk),
            crps_skill_garch=_skill(beside_garch, garch),
            n_garch=n_garch,
            coverage_80=_rounded(in_80),
            coverage_95=_rounded(in_95),
            brier_up=_rounded(brier),
        )

    def losses(
        self, symbol: str, interval: Interval, market: str, owner: str, model: str, weights: str
    ) -> FloatArray:
        """`(n, 2)`: mean CRPS of a model and of the random walk, the oldest forecast first."""
        values = (symbol, interval, market, owner, model, weights, WINDOW)
        return np.array(self._read(LOSSES, values), np.float64).reshape(-1, 2)

    def groups(
        self, market: str, owner: str, filters: dict[str, str]
    ) -> list[tuple[str, Interval, str]]:
        """Coin, interval and model of everything on record."""
        named = "".join(f" AND {column} = ?" for column in filters)
        query = GROUPS.format(named)
        found = self._read(query, (market, owner, *filters.values()))
        return [(row[0], row[1], row[2]) for row in found]

    def totals(self, market: str, owner: str) -> Totals:
        """Counts of everything that was served."""
        query = (
            "SELECT count(*), coalesce(sum(steps - done), 0), min(served_at_s) FROM forecast "
            "WHERE market = ? AND owner = ?"
        )
        ((kept, pending, kept_since_s),) = self._read(query, (market, owner))
        query = (
            "SELECT count(s.crps), count(*) - count(s.crps) FROM score s JOIN forecast f "
            "ON f.seq = s.seq WHERE f.market = ? AND f.owner = ?"
        )
        ((scored, missing),) = self._read(query, (market, owner))
        query = (
            "SELECT forecasts, scored, missing, since_s FROM removed WHERE market = ? AND owner = ?"
        )
        ((removed, old_scored, old_missing, old_since_s),) = self._read(query, (market, owner)) or [
            (0, 0, 0, None)
        ]
        return Totals(
            served=kept + removed,
            pending=pending,
            scored=scored + old_scored,
            missing=missing + old_missing,
            removed=removed,
            since_s=kept_since_s if old_since_s is None else old_since_s,
        )

    def prune(self, before_s: float, most_bytes: int, most: int) -> int:
        """Remove the oldest forecasts, however they did, and keep count of them.

        Args:
            before_s: Those that were served before, Unix time.
            most_bytes: While the record is longer, any.
            most: How many at once.

        Returns:
            How many were removed; their room in the file is used again.

        Raises:
            StorageFull: Nothing was removed.
        """
        with self._transaction():
            long = self._bytes() > most_bytes
            (last,) = self._db.execute(OLDEST, (most, long, before_s)).fetchone()
            if last is None:
                return 0
            self._db.execute(NOTE_REMOVED, (last, last))
            for statement in REMOVE:
                removed = self._db.execute(statement, (last,)).rowcount
            self._db.execute(FORGET_CALIBRATION)
        return int(removed)

    def _bytes(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def calibration(
        self, symbol: str, interval: Interval, market: str, owner: str, steps: int
    ) -> list[tuple[ConformalState, ConformalState]]:
        """States of the 80 and 95 % intervals, per step."""
        query = (
            "SELECT step, level, alpha, n, hits FROM calibration WHERE symbol = ? AND "
            "interval = ? AND market = ? AND owner = ?"
        )
        known = {
            (row[0], row[1]): ConformalState(*row[1:])
            for row in self._read(query, (symbol, interval, market, owner))
        }
        return [
            tuple(known.get((step, level)) or fresh(level) for level in (0.8, 0.95))  # type: ignore[misc]  # a pair
            for step in range(1, steps + 1)
        ]

    def calibrate(self, forecast: Logged, states: Sequence[tuple[int, ConformalState]]) -> None:
        """Keep states by step."""
        key = (forecast.symbol, forecast.interval, forecast.market, forecast.owner)
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO calibration VALUES (?,?,?,?,?,?,?,?,?)",
                [(*key, step, s.level, s.alpha, s.n, s.hits) for step, s in states],
            )

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StorageFull(f"forecasts could not be recorded: {error}") from error

    def _read(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise StorageFull(f"the record of forecasts cannot be read: {error}") from error


def _packed(values: FloatArray) -> bytes:
    return np.ascontiguousarray(values, np.float32).tobytes()


def _unpacked(content: bytes, columns: int) -> FloatArray:
    return np.frombuffer(content, np.float32).astype(np.float64).reshape(-1, columns)


def _logged(row: Sequence[Any]) -> Logged:
    return Logged(
        seq=row[0],
        symbol=row[1],
        interval=row[2],
        venue=row[3],
        made_at_ms=row[4],
        last_close_usd=row[5],
        done=row[6],
        quantiles=_unpacked(row[7], len(LEVELS)),
        bounds=_unpacked(row[8], 4),
        baseline=_unpacked(row[9], len(LEVELS)),
        p_up=_unpacked(row[10], 1)[:, 0],
        adapts=bool(row[11]),
        model=row[12],
        market=row[13],
        owner=row[14],
    )


def _row(seq: int, score: Score) -> tuple[Any, ...]:
    return (
        *(seq, score.step, score.truth, score.crps, score.crps_walk, score.inside_80),
        *(score.inside_95, score.raw_inside_80, score.raw_inside_95, score.brier),
    )


def _skill(own: float | None, other: float | None) -> float | None:
    return None if own is None or not other else round(1 - own / other, 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
