"""Feedback, the queue of cases, drift, and the contest of models: what operators ask and get."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from models.core.capability import Value
from models.fraud.challenge import Comparison
from models.fraud.drift import Shift
from models.fraud.schema import Feedback, Noted, Refusal, Verdict

MAX_REPORTS = 10_000
MAX_PAGE = 200

Kind = Literal["transaction", "network_flow", "market_trades", "order_book"]
Status = Literal["open", "fraud", "legitimate"]


class Report(Value):
    """What became known of an event."""

    event_id: Annotated[str, Field(min_length=1, max_length=128)]
    fraud: bool = Field(description="false takes an earlier report back, and clears the case")
    reported_at: AwareDatetime
    kind: Kind = "transaction"
    source: str = Field("", max_length=80, description="who says so; kept with the report")

    def feedback(self) -> Feedback:
        """As an event among others."""
        return Feedback(
            kind="feedback",
            event_id=self.event_id,
            fraud=self.fraud,
            reported_at=self.reported_at,
            of=self.kind,
            source=self.source,
        )


class FeedbackRequest(Value):
    """What became known of up to 10,000 events."""

    reports: tuple[Report, ...] = Field(min_length=1, max_length=MAX_REPORTS)


class FeedbackResult(Value):
    """One answer for each report, in order."""

    results: tuple[Annotated[Noted | Refusal, Field(discriminator="outcome")], ...]


class Case(Value):
    """An event that was sent to review or blocked."""

    case_id: int
    event_id: str
    kind: Kind
    decision: Literal["review", "block"]
    probability: float | None
    score: float | None
    at_stake: float | None = Field(description="expected loss had it been approved")
    opened_at: AwareDatetime
    status: Status
    closed_at: AwareDatetime | None
    source: str | None = Field(description="who closed it")


class CasesRequest(Value):
    """Which cases, newest first."""

    status: Status | None = None
    decision: Literal["review", "block"] | None = None
    kind: Kind | None = None
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: int | None = Field(None, ge=1, description="`next_cursor` of the page before")


class CasesResult(Value):
    """A page of the queue."""

    cases: tuple[Case, ...]
    open: int = Field(description="cases that wait for a report")
    next_cursor: int | None = Field(description="absent on the last page")


class CaseRequest(Value):
    """Which case."""

    case_id: int = Field(ge=1)


class CaseResult(Value):
    """A case with the verdict it was opened for."""

    case: Case
    verdict: Verdict


class DriftRequest(Value):
    """How many of the latest payments to look at."""

    payments: int = Field(5_000, ge=100, le=50_000)


class DriftResult(Value):
    """How far the payments have moved since training."""

    payments: int
    model: str = Field(description="version whose training is compared with")
    shifts: tuple[Shift, ...] = Field(description="of every feature and of the score")
    alarms: tuple[str, ...] = Field(description="names of those that moved beyond the limit")
    reason: str | None = Field(description="why nothing can be told, if so")


class ChallengerRequest(Value):
    """How the challenger does; labels join seven days after a payment."""

    payments: int = Field(50_000, ge=1_000, le=200_000, description="latest labelled ones")


class ChallengerResult(Value):
    """Champion and challenger on the same payments."""

    champion: str
    challenger: str | None
    comparison: Comparison | None
    reason: str | None = Field(description="why there is no comparison, or no promotion")


class PromotionRequest(Value):
    """Make the challenger decide; refused unless it wins."""

    action: Literal["promote", "roll_back"]
    sha256: str | None = Field(
        None, description="of the challenger that was looked at; another one is not promoted"
    )


class PromotionResult(Value):
    """Which model decides from now on."""

    champion: str
    sha256: str
    comparison: Comparison | None
