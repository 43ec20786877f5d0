"""The queue of cases: what was sent to review or blocked, until a report closes it.

A record beside the payments. An event has at most one case; it is opened again by no
repetition, and its verdict stays the one that was given.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from models.core.errors import UnknownAsset
from models.fraud.cases_schema import Case, CaseResult, CasesRequest, CasesResult
from models.fraud.record import Place, open_record
from models.fraud.schema import Feedback, Verdict

KEPT_S = 180 * 86_400.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS cases (
    case_id {number}, owner TEXT NOT NULL, event_id TEXT NOT NULL, kind TEXT NOT NULL,
    decision TEXT NOT NULL, probability {real}, score {real}, at_stake {real},
    opened_at_s {real} NOT NULL, status TEXT NOT NULL, closed_at_s {real}, source TEXT,
    verdict TEXT NOT NULL, UNIQUE (owner, kind, event_id)
) {strict};
CREATE INDEX IF NOT EXISTS cases_of ON cases (owner, status, case_id);
"""
COLUMNS = (
    "case_id, event_id, kind, decision, probability, score, at_stake, opened_at_s, status, "
    "closed_at_s, source"
)
INSERT = (
    "INSERT INTO cases (owner, event_id, kind, decision, probability, score, at_stake, "
    "opened_at_s, status, verdict) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?) ON CONFLICT DO NOTHING"
)
CLOSE = (
    "UPDATE cases SET status = ?, closed_at_s = ?, source = ? "
    "WHERE owner = ? AND kind = ? AND event_id = ?"
)
PAGE = (
    f"SELECT {COLUMNS} FROM cases WHERE owner = ? AND case_id < ? "  # noqa: S608  # constants
    "AND status = coalesce(?, status) AND decision = coalesce(?, decision) "
    "AND kind = coalesce(?, kind) ORDER BY case_id DESC LIMIT ?"
)
ONE = f"SELECT {COLUMNS}, verdict FROM cases WHERE owner = ? AND case_id = ?"  # noqa: S608  # constants
OPEN = "SELECT count(*) FROM cases WHERE owner = ? AND status = 'open'"
NEWEST = 2**62


class Casework:
    """Opens, lists and closes cases; every method raises what a `Record` raises.

    Args:
        place: Of the record; the folder of a file is made.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """

    def __init__(self, place: Place) -> None:
        self._record = open_record(place, SCHEMA, "the cases")

    def open(self, owner: str, verdicts: Sequence[Verdict], now_s: float) -> None:
        """Open a case for every verdict that did not approve, all or none."""
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
        with self._record.transaction(owner):
            self._record.executemany(INSERT, rows)

    def close_case(self, owner: str, feedback: Feedback) -> bool:
        """Close the case of an event, or correct how it was closed; whether there is one."""
        status = "fraud" if feedback.fraud else "legitimate"
        values = (status, feedback.reported_at.timestamp(), feedback.source)
        found = self._record.execute(CLOSE, (*values, owner, feedback.of, feedback.event_id))
        return found.rowcount > 0

    def page(self, owner: str, asked: CasesRequest) -> CasesResult:
        """Cases of one owner, newest first."""
        cursor = NEWEST if asked.cursor is None else asked.cursor
        filters = (asked.status, asked.decision, asked.kind)
        rows = self._record.execute(PAGE, (owner, cursor, *filters, asked.limit + 1)).fetchall()
        cases = tuple(_case(row) for row in rows[: asked.limit])
        more = len(rows) > asked.limit
        return CasesResult(
            cases=cases,
            open=int(self._record.execute(OPEN, (owner,)).fetchone()[0]),
            next_cursor=cases[-1].case_id if more else None,
        )

    def one(self, owner: str, case_id: int) -> CaseResult:
        """A case with its verdict.

        Raises:
            UnknownAsset: No such case, or somebody else's.
        """
        row = self._record.execute(ONE, (owner, case_id)).fetchone()
        if row is None:
            raise UnknownAsset(f"no such case: {case_id}; see /api/v1/fraud/cases")
        return CaseResult(case=_case(row[:-1]), verdict=Verdict.model_validate_json(row[-1]))

    def forget_before(self, now_s: float) -> None:
        """Drop cases that are older than what is kept of payments."""
        self._record.execute("DELETE FROM cases WHERE opened_at_s < ?", (now_s - KEPT_S,))

    def close(self) -> None:
        """Release the record."""
        self._record.close()


def _case(row: Sequence[object]) -> Case:
    names = [name.strip() for name in COLUMNS.split(",")]
    values = dict(zip(names, row, strict=True))
    opened_s, closed_s = values.pop("opened_at_s"), values.pop("closed_at_s")
    return Case.model_validate({**values, "opened_at": _at(opened_s), "closed_at": _at(closed_s)})


def _at(seconds: object) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, float) else None
