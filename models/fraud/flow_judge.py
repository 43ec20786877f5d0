"""Network flows from a log row to a verdict: windows, rules, model, costs, reasons."""

import math
from collections.abc import Mapping, Sequence

from models.core.capability import Run
from models.core.errors import ModelUnavailable
from models.fraud.flow_log import Taken
from models.fraud.flow_rows import COLUMNS, LEVELS, Row, described, stacked
from models.fraud.flow_schema import BaselineRequest, BaselineResult, NetworkFlow
from models.fraud.flow_scoring import FlowModel, FlowScore
from models.fraud.flow_site import Site, Sites, ordinary_rows
from models.fraud.flow_state import FlowState, mark_of
from models.fraud.outcomes import IncidentCosts, decided
from models.fraud.reasons import TOP, Method, Reason
from models.fraud.rules import Fact, RuleTable
from models.fraud.schema import Refusal, Verdict
from models.fraud.shelf import Shelf

PLAIN_FACTS = ("source", "host", "port")
FLOW_FACTS = frozenset((*PLAIN_FACTS, *COLUMNS, *LEVELS))
"""What rules on flows may ask for."""

NO_MODEL = "the network model is not available: judged by rules alone"
OTHER_TRAFFIC = (
    "what is unusual was learned from generated traffic: on yours expect many false alarms, until "
    "flows of ordinary days were sent to /api/v1/fraud/baseline"
)
NO_BASELINE = "the network model is not available, so no limit can be set for it; see its card"
CLASH = "event_id {!r} belongs to another flow; give each flow an id of its own"
CODES = {
    "VOLUME": "duration src_bytes dst_bytes",
    "MALFORMED": "land wrong_fragment urgent",
    "LOGIN": "hot num_failed_logins logged_in is_guest_login",
    "PRIVILEGE": "num_compromised root_shell su_attempted num_root num_file_creations num_shells "
    "num_access_files",
    "PACE": "count srv_count dst_host_count dst_host_srv_count",
    "NO_ANSWER": "serror_rate srv_serror_rate dst_host_serror_rate dst_host_srv_serror_rate",
    "REFUSED": "rerror_rate srv_rerror_rate dst_host_rerror_rate dst_host_srv_rerror_rate",
    "SWEEP": "same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_same_srv_rate "
    "dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate",
    "KIND": "protocol_type service flag",
}
CODE_OF = {name: code for code, names in CODES.items() for name in names.split()}


class FlowJudge:
    """Judges flows, and counts each once.

    Args:
        model: Absent if its weights cannot be loaded.
        rules: Of the operator.
        policy: What mistakes cost.
        shelf: Where it is kept what is ordinary on each owner's network.
        state: What is remembered of flows.
    """

    def __init__(
        self,
        model: FlowModel | None,
        rules: RuleTable,
        policy: IncidentCosts,
        shelf: Shelf,
        state: FlowState,
    ) -> None:
        self.model, self._rules, self._policy = model, rules, policy
        self._sites = None if model is None else Sites(shelf, model.sha256)
        self._state = state

    def judge(self, flows: Sequence[NetworkFlow], owner: str) -> list[Verdict | Refusal]:
        """Verdicts in order."""
        taken, not_kept = self._state.take(flows, owner)
        rows = stacked([each.row for each, _ in taken])
        site = None if self._sites is None else self._sites.of(owner)
        scores = [None] * len(flows) if self.model is None else self.model.scores(rows, site)
        degraded = self._degraded(told=site is not None) + ((not_kept,) if not_kept else ())
        return [
            self._one(flow, each, score, duplicate, site, degraded)
            for flow, (each, duplicate), score in zip(flows, taken, scores, strict=True)
        ]

    def learn(self, request: BaselineRequest, run: Run) -> BaselineResult:
        """Take an owner's flows as ordinary: from now on others are compared with them.

        Raises:
            Cancelled: Nobody waits any more; nothing has changed.
            InvalidInput: There are too few.
            ModelUnavailable: There is no model whose limit could be set.
            StorageFull: What was learned cannot be kept.
            UpstreamUnavailable: The same, where it would be kept in a database.
        """
        if self.model is None or self._sites is None:
            raise ModelUnavailable(NO_BASELINE)
        rows, budget = ordinary_rows(request.flows), request.budget or self.model.budget
        site = self.model.site(rows, budget, run.check)
        later = rows[len(rows) // 2 :]
        before = [each.alarm for each in self.model.scores(later, self._sites.of(run.owner))]
        self._sites.keep(run.owner, site)
        return BaselineResult(
            flows=len(rows), budget=budget, alarms_before=sum(before) / len(before)
        )

    def _degraded(self, *, told: bool) -> tuple[str, ...]:
        if self.model is None:
            return (NO_MODEL,)
        return () if told or self.model.own_traffic else (OTHER_TRAFFIC,)

    def close(self) -> None:
        """Release the memory's record."""
        self._state.close()

    def _one(
        self,
        flow: NetworkFlow,
        taken: Taken,
        score: FlowScore | None,
        duplicate: bool,
        site: Site | None,
        degraded: tuple[str, ...],
    ) -> Verdict | Refusal:
        if duplicate and taken.mark != mark_of(flow):
            return Refusal(code="conflict", detail=CLASH.format(flow.event_id))
        hits = self._rules.hits(_facts(flow, taken.row))
        loss = None if score is None else self._policy.of_incident(score.probability)
        alarm = score is not None and score.alarm
        outcome = decided(hits, loss, self._policy, suspicious=alarm)
        exact = outcome.decision != "approve"
        return Verdict(
            event_id=flow.event_id,
            kind=flow.kind,
            decision=outcome.decision,
            probability=None if score is None else score.probability,
            score=None if score is None else score.score,
            expected_loss=loss,
            reasons=() if score is None else self._reasons(taken.row, score, site, exact=exact),
            rules=hits,
            decided_by=outcome.by,
            memory=taken.memory,
            duplicate=duplicate,
            degraded=degraded,
        )

    def _reasons(
        self, row: Row, score: FlowScore, site: Site | None, *, exact: bool
    ) -> tuple[Reason, ...]:
        assert self.model is not None  # noqa: S101  # there is a score
        shares, by_trees = self.model.shares(row.astype(float), score.parts, exact=exact, site=site)
        facts = described(row)
        ranked = sorted(shares, key=lambda name: -shares[name])[:TOP]
        method: Method = "distance" if not by_trees else "shapley" if exact else "path"
        return tuple(
            _reason(name, facts.get(name), shares[name], method)
            for name in ranked
            if shares[name] > 0
        )


def _reason(name: str, value: Fact, contribution: float, method: Method) -> Reason:
    number = value if isinstance(value, float) and math.isfinite(value) else None
    shown = "not known" if value is None else value if isinstance(value, str) else f"{value:g}"
    return Reason(
        code=CODE_OF[name],
        feature=name,
        value=number,
        contribution=round(contribution, 4),
        method=method,
        text=f"{name} is {shown}",
    )


def _facts(flow: NetworkFlow, row: Row) -> Mapping[str, Fact]:
    facts: dict[str, Fact] = dict(described(row))
    if flow.log_row is not None:
        plain = flow.log_row.flow()
        facts |= {"source": plain.source, "host": plain.host, "port": float(plain.port)}
    return facts
