"""The queue of cases: what was sent to review or blocked, until a report closes it.

A file beside the payments. An event has at most one case; it is opened again by no
repetition, and its verdict stays the one that was given.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from models.core.errors import StorageFull, UnknownAsset
from models.fraud.cases_schema import Case, CaseResult, CasesRequest, CasesResult
from models.fraud.log_file import LogFile
from models.fraud.schema import Feedback, Verdict

KEPT_S = 180 * 86_400.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS cases (
    case_id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, event_id TEXT NOT NULL, kind TEXT NOT NULL,
    decision TEXT NOT NULL, probability REAL, score REAL, at_stake REAL, opened_at_s REAL NOT NULL,
    status TEXT NOT NULL, closed_at_s REAL, source TEXT, verdict TEXT NOT NULL,
    UNIQUE (owner, kind, event_id)
) STRICT;
CREATE INDEX IF NOT EXISTS cases_of ON cases (owner, status, case_id);
"""
COLUMNS = (
    "case_id, event_id, kind, decision, probability, score, at_stake, opened_at_s, status, "
    "closed_at_s, source"
)
INSERT = (
    "INSERT OR IGNORE INTO cases (owner, event_id, kind, decision, probability, score, at_stake, "
    "opened_at_s, status, verdict) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?)"
)
CLOSE = (
    "UPDATE cases SET status = ?, closed_at_s = ?, source = ? "
    "WHERE owner = ? AND kind = ? AND event_id = ?"
)
PAGE = (
    f"SELECT {COLUMNS} FROM cases WHERE owner = ?1 AND case_id < ?2 "  # noqa: S608  # constants
    "AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR decision = ?4) "
    "AND (?5 IS NULL OR kind = ?5) ORDER BY case_id DESC LIMIT ?6"
)
ONE = f"SELECT {COLUMNS}, verdict FROM cases WHERE owner = ? AND case_id = ?"  # noqa: S608  # constants
OPEN = "SELECT count(*) FROM cases WHERE owner = ? AND status = 'open'"
NEWEST = 2**62


class Casework:
    """Opens, lists and closes cases.

    Args:
        path: Of the file; its folder is made.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = LogFile(path, SCHEMA, "the cases")
        self._db = self._file.db

    def open(self, owner: str, verdicts: Sequence[Verdict], now_s: float) -> None:
        """Open a case for every verdict that did not approve, all or none.

        Raises:
            StorageFull: Nothing was written.
        """
        rows = [
            (
                owner,
                each.event_id,
                each.kind,
                each.decision,
                each.probability,
                each.score,
                None if each.expected_loss is None else each.expected_loss.approve,
                now_s,
                each.model_dump_json(),
            )
            for each in verdicts
            if each.decision != "approve"
        ]
        if not rows:
            return
        with self._file.transaction():
            self._db.executemany(INSERT, rows)

    def close_case(self, owner: str, feedback: Feedback) -> bool:
        """Close the case of an event, or correct how it was closed; whether there is one.

        Raises:
            StorageFull: Nothing was written.
        """
        status = "fraud" if feedback.fraud else "legitimate"
        values = (status, feedback.reported_at.timestamp(), feedback.source)
        try:
            found = self._db.execute(CLOSE, (*values, owner, feedback.of, feedback.event_id))
        except sqlite3.Error as error:
            raise StorageFull(f"the case could not be closed: {error}") from error
        return found.rowcount > 0

    def page(self, owner: str, asked: CasesRequest) -> CasesResult:
        """Cases of one owner, newest first."""
        cursor = NEWEST if asked.cursor is None else asked.cursor
        filters = (asked.status, asked.decision, asked.kind)
        rows = self._db.execute(PAGE, (owner, cursor, *filters, asked.limit + 1)).fetchall()
        cases = tuple(_case(row) for row in rows[: asked.limit])
        more = len(rows) > asked.limit
        return CasesResult(
            cases=cases,
            open=int(self._db.execute(OPEN, (owner,)).fetchone()[0]),
            next_cursor=cases[-1].case_id if more else None,
        )

    def one(self, owner: str, case_id: int) -> CaseResult:
        """A case with its verdict.

        Raises:
            UnknownAsset: No such case, or somebody else's.
        """
        row = self._db.execute(ONE, (owner, case_id)).fetchone()
        if row is None:
            raise UnknownAsset(f"no such case: {case_id}; see /api/v1/fraud/cases")
        return CaseResult(case=_case(row[:-1]), verdict=Verdict.model_validate_json(row[-1]))

    def forget_before(self, now_s: float) -> None:
        """Drop cases that are older than what is kept of payments."""
        self._db.execute("DELETE FROM cases WHERE opened_at_s < ?", (now_s - KEPT_S,))

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _case(row: Sequence[object]) -> Case:
    names = [name.strip() for name in COLUMNS.split(",")]
    values = dict(zip(names, row, strict=True))
    opened_s, closed_s = values.pop("opened_at_s"), values.pop("closed_at_s")
    return Case.model_validate({**values, "opened_at": _at(opened_s), "closed_at": _at(closed_s)})


def _at(seconds: object) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, float) else None
