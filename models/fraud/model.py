"""The fraud capability: events are remembered, scored, weighed and explained."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from pydantic import Field, model_validator

from models.core.capability import ModelCard, Run, Setup, Value
from models.core.errors import ModelUnavailable
from models.fraud.cases_schema import (
    CaseRequest,
    CaseResult,
    CasesRequest,
    CasesResult,
    ChallengerRequest,
    ChallengerResult,
    DriftRequest,
    DriftResult,
    FeedbackRequest,
    FeedbackResult,
    PromotionRequest,
    PromotionResult,
)
from models.fraud.casework import Casework
from models.fraud.contest import Contest
from models.fraud.costs import CostPolicy
from models.fraud.fair_lock import FairLock
from models.fraud.flow_judge import FLOW_FACTS, FlowJudge
from models.fraud.flow_schema import BaselineRequest, BaselineResult, NetworkFlow
from models.fraud.flow_scoring import FlowModel
from models.fraud.flow_state import FlowState
from models.fraud.market_judge import MARKET_FACTS, MarketJudge
from models.fraud.market_schema import MarketTrades, OrderBook
from models.fraud.market_scoring import MarketModel
from models.fraud.market_state import MarketState
from models.fraud.outcomes import IncidentCosts
from models.fraud.payment_desk import PaymentDesk
from models.fraud.payment_judge import FACTS, PaymentJudge
from models.fraud.record import NOT_RECORDED, Database
from models.fraud.registry import Registry
from models.fraud.rules import RuleTable
from models.fraud.schema import (
    Event,
    Feedback,
    FraudRequest,
    FraudResult,
    ModelStamp,
    Noted,
    Refusal,
    Transaction,
    Unreadable,
    Verdict,
)
from models.fraud.scoring import WEIGHTS, TransactionModel
from models.fraud.shelf import Files, Table

SLICE = 100
"""Events taken in at a time; in between, requests that wait have their turn."""

NO_CASES = "the record of cases cannot be written, so no case was opened: "
RECORD_URL = "record_url"
"""Name of the secret with the URL of a database that replicas on several machines share."""
ONE_MACHINE = (
    "champions are exchanged on one machine, and with secrets.fraud.record_url there may be several: "
    "set options.fraud.weights to the folder of the winner instead, and restart"
)
Answer = Verdict | Noted | Refusal
Model = TransactionModel | FlowModel | MarketModel
Operation = (
    CasesRequest
    | CaseRequest
    | DriftRequest
    | ChallengerRequest
    | PromotionRequest
    | BaselineRequest
)
Request = FraudRequest | FeedbackRequest | Operation
Result = (
    FraudResult
    | FeedbackResult
    | CasesResult
    | CaseResult
    | DriftResult
    | ChallengerResult
    | PromotionResult
    | BaselineResult
)
LoadedT = TypeVar("LoadedT")


class FraudOptions(Value):
    """The capability's settings, `args.options.fraud` of the configuration.

    Attributes:
        rules: Conditions on payments that decide beside the model.
        flow_rules: The same for network flows.
        market_rules: The same for windows of trades and orders.
        costs: What mistakes about payments cost.
        flow_costs: What mistakes about a flow cost.
        market_costs: What mistakes about a window cost.
        weights: Folder of weights of your own; what it lacks is taken from the shipped ones.
        challenger: Folder of weights that are compared with those that decide on payments.
        operators: Owners of keys who may compare and exchange models.
        state: File of the accepted payments, cases and memories beside it; in the data folder if
            absent. Not used where a database is configured.
        sync: Wait for the disk with every answer, to survive power cuts too.
    """

    rules: RuleTable = RuleTable()
    flow_rules: RuleTable = RuleTable()
    market_rules: RuleTable = RuleTable()
    costs: CostPolicy = CostPolicy()
    flow_costs: IncidentCosts = IncidentCosts()
    market_costs: IncidentCosts = IncidentCosts()
    weights: Path = WEIGHTS
    challenger: Path | None = None
    operators: tuple[str, ...] = ("local",)
    state: Path | None = None
    sync: bool = Field(False)

    @model_validator(mode="after")
    def _facts_exist(self) -> "FraudOptions":
        self.rules.check_facts(FACTS)
        self.flow_rules.check_facts(FLOW_FACTS)
        self.market_rules.check_facts(MARKET_FACTS)
        return self


class FraudModel:
    """Judges events, one or many, and counts each once."""

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.time) -> None:
        options = FraudOptions.model_validate(setup.options)
        self._clock = clock
        self._turns = FairLock()
        self._why: dict[str, str] = {}
        registry = Registry(setup.data_dir / "champions", options.weights)
        champion = self._loaded("transactions", registry.champion)
        path = options.state or setup.data_dir / "payments.sqlite"
        database = _database(setup)
        self._desk = PaymentDesk(
            PaymentJudge(champion, options.rules, options.costs),
            database or path,
            clock,
            sync=options.sync,
        )
        self._flows = FlowJudge(
            self._loaded("flows", lambda: FlowModel.load(_folder(options.weights, "flows.json"))),
            options.flow_rules,
            options.flow_costs,
            Table(database) if database else Files(setup.data_dir / "baselines"),
            FlowState(database or path.with_name("flows.sqlite")),
        )
        self._market = MarketJudge(
            self._loaded(
                "market", lambda: MarketModel.load(_folder(options.weights, "market.json"))
            ),
            options.market_rules,
            options.market_costs,
            MarketState(database or path.with_name("markets.sqlite"), clock),
        )
        fixed = ONE_MACHINE if database else ""
        self._contest = Contest(
            self._desk, registry, options.challenger, options.operators, clock, fixed
        )
        self._rules_version = "-".join(
            table.version for table in (options.rules, options.flow_rules, options.market_rules)
        )
        cases = database or path.with_name("cases.sqlite")
        self._cases = self._loaded("cases", lambda: Casework(cases))
        if self._cases is not None:
            with suppress(*NOT_RECORDED):  # the next start forgets as well
                self._cases.forget_before(clock())

    def cards(self) -> tuple[ModelCard, ...]:
        """The models, what is missing, and which payments have drifted."""
        alarms = ", ".join(self._contest.alarms)
        drift = f"payments have drifted from training: {alarms}; see /api/v1/fraud/drift"
        notes = [self._desk.why_no_state, self._why.get("cases", ""), drift if alarms else ""]
        models: tuple[tuple[str, Model | None, list[str]], ...] = (
            ("transactions", self._desk.judge.model, notes),
            ("flows", self._flows.model, []),
            ("market", self._market.model, []),
        )
        return tuple(
            ModelCard(
                name=name,
                version=model.version if model else "none",
                weights_sha256=model.sha256 if model else None,
                available=model is not None,
                reason=" ".join(filter(None, ("" if model else self._why.get(name), *more)))
                or None,
            )
            for name, model, more in models
        )

    def run(self, request: Request, run: Run) -> Result:
        """Answer one request of any kind.

        May be called from several threads: they take turns, a long request giving way to others
        after every slice of its events. A caller that leaves early may have some events counted;
        sending them again counts none twice.

        Raises:
            Cancelled: Nobody waits for the answer any more.
            CapabilityError: As the operation says.
        """
        if isinstance(request, FraudRequest):
            return self._analyze(request, run)
        if isinstance(request, FeedbackRequest):
            return self._feedback(request, run)
        with self._turns.turn():
            run.check()
            self._contest.keep_up()
            return self._operation(request, run)

    def close(self) -> None:
        """Release the records."""
        for each in (self._desk, self._flows, self._market):
            each.close()
        if self._cases is not None:
            self._cases.close()
            self._cases = None

    def _operation(self, request: Operation, run: Run) -> Result:
        match request:
            case CasesRequest():
                return self._casework().page(run.owner, request)
            case CaseRequest():
                return self._casework().one(run.owner, request.case_id)
            case DriftRequest():
                return self._contest.drift(request, run)
            case ChallengerRequest():
                return self._contest.standing(request, run)
            case PromotionRequest():
                return self._contest.promotion(request, run)
            case BaselineRequest():
                return self._flows.learn(request, run)

    def _analyze(self, request: FraudRequest, run: Run) -> FraudResult:
        results: list[Answer] = []
        newest_s: float | None = None
        for start in range(0, len(request.events), SLICE):
            with self._turns.turn():
                run.check()
                self._contest.keep_up()
                if start == 0:
                    newest_s = self._desk.newest_s(run.owner)
                results += self._judged(request.events[start : start + SLICE], run)
            run.progress(min(1.0, (start + SLICE) / len(request.events)), "judge")
        return FraudResult(
            results=tuple(results),
            models=self._stamps(),
            rules_version=self._rules_version,
            state_newest_at=None if newest_s is None else datetime.fromtimestamp(newest_s, UTC),
        )

    def _feedback(self, request: FeedbackRequest, run: Run) -> FeedbackResult:
        noted: list[Noted | Refusal] = []
        for start in range(0, len(request.reports), SLICE):
            with self._turns.turn():
                run.check()
                reports = request.reports[start : start + SLICE]
                noted += [self._note(each.feedback(), run.owner) for each in reports]
        return FeedbackResult(results=tuple(noted))

    def _judged(self, events: Sequence[Event | Unreadable], run: Run) -> list[Answer]:
        """Answers in order: those of a kind in a row together, feedback counts for later ones."""
        answers: list[Answer] = []
        for kind, group in groupby(events, type):
            if kind is Transaction:
                payments = [e for e in group if isinstance(e, Transaction)]
                answers += self._desk.answer(payments, run.owner)
                self._contest.taken_in(len(payments))
            elif kind is NetworkFlow:
                flows = [e for e in group if isinstance(e, NetworkFlow)]
                answers += self._flows.judge(flows, run.owner)
            else:
                answers += [self._other(event, run) for event in group]
        return self._opened(answers, run.owner)

    def _other(self, event: Event | Unreadable, run: Run) -> Answer:
        if isinstance(event, Feedback):
            return self._note(event, run.owner)
        if isinstance(event, MarketTrades | OrderBook):
            run.check()
            return self._market.judge(event, run.owner)
        assert isinstance(event, Unreadable)  # noqa: S101  # the others are judged together
        return Refusal(code="invalid-input", detail=event.detail)

    def _opened(self, answers: list[Answer], owner: str) -> list[Answer]:
        """Open the cases; where that fails, every answer that needs one says so."""
        due = [each for each in answers if isinstance(each, Verdict) and _needs_case(each)]
        if not due:
            return answers
        try:
            self._casework().open(owner, due, self._clock())
        except NOT_RECORDED as error:
            told = (NO_CASES + error.detail,)
            return [
                each.model_copy(update={"degraded": each.degraded + told})
                if isinstance(each, Verdict) and _needs_case(each)
                else each
                for each in answers
            ]
        return answers

    def _note(self, feedback: Feedback, owner: str) -> Noted | Refusal:
        """Keep what became known, and close the case that was opened."""
        answer: Noted | Refusal
        if feedback.of == "transaction":
            answer = self._desk.note(feedback, owner)
            if isinstance(answer, Refusal):
                return answer
        try:
            closed = self._cases is not None and self._cases.close_case(owner, feedback)
        except NOT_RECORDED as error:
            return Refusal(code="unavailable", detail=error.detail)
        if feedback.of == "transaction" or closed:
            return Noted(event_id=feedback.event_id)
        return Refusal(
            code="unknown-event",
            detail=f"no case of {feedback.of} {feedback.event_id!r} is on record; flows and windows "
            "that were approved are not kept",
        )

    def _casework(self) -> Casework:
        if self._cases is None:
            raise ModelUnavailable(self._why["cases"])
        return self._cases

    def _stamps(self) -> dict[str, ModelStamp]:
        models: tuple[tuple[tuple[str, ...], Model | None], ...] = (
            (("transaction",), self._desk.judge.model),
            (("network_flow",), self._flows.model),
            (("market_trades", "order_book"), self._market.model),
        )
        return {
            kind: ModelStamp(name=model.name, version=model.version, sha256=model.sha256)
            for kinds, model in models
            if model is not None
            for kind in kinds
        }

    def _loaded(self, name: str, load: Callable[[], LoadedT]) -> LoadedT | None:
        try:
            return load()
        except ModelUnavailable as error:
            self._why[name] = error.detail
            return None


def _database(setup: Setup) -> Database | None:
    """The database of the secret, if there is one."""
    url = setup.secrets.get(RECORD_URL)
    if url is None:
        return None
    from models.fraud.postgres import Postgres  # noqa: PLC0415 - costs memory where it is not used

    return Postgres(url.get_secret_value())


def _needs_case(verdict: Verdict) -> bool:
    """Repetitions as well: the process may have died between a payment and its case."""
    return verdict.decision != "approve"


def _folder(own: Path, file: str) -> Path:
    """The user's folder if it holds the file, else the shipped weights."""
    return own if (own / file).exists() else WEIGHTS
