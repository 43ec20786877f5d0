"""Champion and challenger, and the drift of what they are given: operations on the payment model."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.core.capability import Run
from models.core.errors import Conflict, Forbidden, ModelUnavailable
from models.fraud.cases_schema import (
    ChallengerRequest,
    ChallengerResult,
    Comparison,
    DriftRequest,
    DriftResult,
    PromotionRequest,
    PromotionResult,
    Shift,
)
from models.fraud.challenge import Judged, compare
from models.fraud.drift import ENOUGH, read_baseline, shifts
from models.fraud.features import DAY_S, LABEL_DELAY_S, NAMES
from models.fraud.payment_desk import PaymentDesk
from models.fraud.record import NOT_RECORDED
from models.fraud.registry import Registry
from models.fraud.scoring import TransactionModel

logger = logging.getLogger(__name__)

LEAST_FRAUDS, LEAST_DAYS = 30, 14.0
LOOK_EVERY = 5_000
NO_CHALLENGER = "no challenger is configured; see options.fraud.challenger"
TOO_FEW = (
    "too few labelled payments: expected {} frauds over {:g} days, found {} over {:.1f}; "
    "labels count seven days after a payment"
)


class Contest:
    """Watches the model that decides, and the one that would.

    Args:
        desk: Whose model is watched and exchanged.
        registry: Holds the champions.
        challenger: Folder of the challenger's weights.
        operators: Owners who may look at all tenants' figures and exchange the model.
        clock: Seconds since 1970.
        why_fixed: Why the model may not be exchanged; empty if it may.
    """

    def __init__(
        self,
        desk: PaymentDesk,
        registry: Registry,
        challenger: Path | None,
        operators: tuple[str, ...],
        clock: Callable[[], float] = time.time,
        why_fixed: str = "",
    ) -> None:
        self._desk, self._registry, self._challenger = desk, registry, challenger
        self._operators, self._clock = operators, clock
        self._unseen, self._why_fixed = 0, why_fixed
        self._stamp = registry.stamp()
        self.alarms: tuple[str, ...] = ()

    def keep_up(self) -> None:
        """Let the model decide that another replica promoted or went back to."""
        stamp = self._registry.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._decide_by(self._registry.champion())
        except ModelUnavailable:
            logger.exception("champion not loaded")

    def taken_in(self, payments: int) -> None:
        """Look at the drift now and then, and warn when it is new."""
        self._unseen += payments
        if self._unseen < LOOK_EVERY:
            return
        self._unseen = 0
        try:
            found = self._drift(DriftRequest(payments=LOOK_EVERY), None).alarms
        except NOT_RECORDED:
            return  # verdicts do not wait for it
        if set(found) - set(self.alarms):
            logger.warning("payments drift", extra={"features": ", ".join(found)})
        self.alarms = found

    def drift(self, asked: DriftRequest, run: Run) -> DriftResult:
        """How far one owner's payments have moved."""
        return self._drift(asked, run.owner)

    def standing(self, asked: ChallengerRequest, run: Run) -> ChallengerResult:
        """Compare the two models now.

        Raises:
            Forbidden: The figures are of all tenants' payments.
        """
        self._require_operator(run)
        champion = self._desk.judge.model
        if self._challenger is None or champion is None:
            return ChallengerResult(
                champion=champion.version if champion else "none",
                challenger=None,
                comparison=None,
                reason=NO_CHALLENGER if champion else "no champion can be loaded",
            )
        challenger = TransactionModel.load(self._challenger)
        comparison, reason = self._compared(champion, challenger, asked.payments, run)
        return ChallengerResult(
            champion=champion.version,
            challenger=challenger.version,
            comparison=comparison,
            reason=reason,
        )

    def promotion(self, asked: PromotionRequest, run: Run) -> PromotionResult:
        """Exchange the model that decides.

        Raises:
            Forbidden: The caller is no operator.
            Conflict: There is no challenger, it does not win, there is nothing to go back to, or
                replicas on other machines would not hear of it.
        """
        self._require_operator(run)
        if self._why_fixed:
            raise Conflict(self._why_fixed)
        comparison = None
        if asked.action == "roll_back":
            model = self._registry.roll_back()
        else:
            model, comparison = self._promoted(asked, run)
        self._stamp = self._registry.stamp()
        self._decide_by(model)
        return PromotionResult(champion=model.version, sha256=model.sha256, comparison=comparison)

    def _decide_by(self, model: TransactionModel) -> None:
        self._desk.judge = replace(self._desk.judge, model=model)
        logger.info("champion changed", extra={"version": model.version})

    def _promoted(
        self, asked: PromotionRequest, run: Run
    ) -> tuple[TransactionModel, Comparison | None]:
        champion = self._desk.judge.model
        if self._challenger is None or champion is None:
            raise Conflict(NO_CHALLENGER)
        challenger = TransactionModel.load(self._challenger)
        if asked.sha256 not in (None, challenger.sha256):
            raise Conflict(f"the challenger is now {challenger.sha256}; compare it again")
        comparison, reason = self._compared(champion, challenger, ChallengerRequest().payments, run)
        if comparison is None or not comparison.wins:
            raise Conflict(reason or "the challenger does not win")
        return self._registry.promote(self._challenger, challenger.sha256), comparison

    def _compared(
        self, champion: TransactionModel, challenger: TransactionModel, count: int, run: Run
    ) -> tuple[Comparison | None, str | None]:
        if champion.sha256 == challenger.sha256:
            return None, "the challenger is the champion"
        if self._desk.journal is None:
            raise ModelUnavailable(self._desk.why_no_state)
        known = self._desk.journal.matured(self._clock() - LABEL_DELAY_S, count)
        fraud = np.array([each.fraud for each in known], bool)
        days = (max(e.at_s for e in known) - min(e.at_s for e in known)) / DAY_S if known else 0.0
        if fraud.sum() < LEAST_FRAUDS or days < LEAST_DAYS:
            return None, TOO_FEW.format(LEAST_FRAUDS, LEAST_DAYS, int(fraud.sum()), days)
        rows = np.array([each.features for each in known], np.float32)
        numbers = {party: place for place, party in enumerate({each.party for each in known})}
        comparison = compare(
            _judged(champion, rows),
            _judged(challenger, rows),
            fraud,
            np.array([each.cents / 100 for each in known]),
            np.array([numbers[each.party] for each in known]),
            self._desk.judge.policy,
            days=days,
            check=run.check,
        )
        return comparison, None if comparison.wins else (
            "the challenger is not better beyond chance in average precision and in money"
        )

    def _drift(self, asked: DriftRequest, owner: str | None) -> DriftResult:
        model, journal = self._desk.judge.model, self._desk.journal
        baseline = read_baseline(model.baseline) if model is not None else {}
        rows = np.empty((0, len(NAMES)), np.float32)
        if journal is not None:
            rows = journal.latest_features(owner, asked.payments).reshape(-1, len(NAMES))
        reason = None
        if model is None or journal is None:
            reason = self._desk.why_no_state or "the model is not available"
        elif not baseline:
            reason = "the weights tell nothing of their training; train them again"
        elif len(rows) < ENOUGH:
            reason = f"too few payments: expected {ENOUGH}, found {len(rows)}"
        found: tuple[Shift, ...] = ()
        if model is not None and reason is None:
            found = shifts(baseline, NAMES, rows.astype(float), model.margins(rows))
        return DriftResult(
            payments=len(rows),
            model=model.version if model else "none",
            shifts=found,
            alarms=tuple(each.name for each in found if each.alarm),
            reason=reason,
        )

    def _require_operator(self, run: Run) -> None:
        if run.owner not in self._operators:
            raise Forbidden(
                "the model decides for every tenant: only operators may look at its contest or "
                "exchange it; see options.fraud.operators"
            )


def _judged(model: TransactionModel, rows: npt.NDArray[np.float32]) -> Judged:
    margins = model.margins(rows)
    return Judged(margins, model.calibration.many(margins))
