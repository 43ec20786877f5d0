"""Market windows to verdicts: memory of the pair, the three patterns, costs, reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from models.fraud.evidence import spoof_evidence, wash_evidence
from models.fraud.manipulation import Fill, OrderEvent
from models.fraud.market import FEATURES, features
from models.fraud.market_schema import MarketTrades, OrderBook
from models.fraud.market_scoring import MarketModel, PatternModel
from models.fraud.market_state import MarketState, Window
from models.fraud.outcomes import IncidentCosts, decided
from models.fraud.reasons import TOP, Reason
from models.fraud.rules import Fact, RuleTable
from models.fraud.schema import MarketMemory, Pattern, Refusal, Verdict
from models.fraud.tape import SIZE_S, WARM_UP_S, Tape

MARKET_FACTS = frozenset(
    ("symbol", "venue", "trades", "orders", "turnover", "last_price", *FEATURES)
)
"""What rules on market windows may ask for; features are those of the most suspicious chunk."""

NAMED = 50
NO_MODEL = "the market model is not available: judged by rules alone"
NO_HISTORY = "less than an hour of trades of the pair is known: no model can tell what is usual"
CODES = {"pump": "PUMP", "wash_trading": "WASH_TRADING", "spoofing": "SPOOFING"}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Found:
    """What one pattern's model says of its most suspicious candidate."""

    pattern: Pattern
    margin: float
    row: Floats


class MarketJudge:
    """Judges windows, and counts the trades of each once."""

    def __init__(
        self,
        model: MarketModel | None,
        rules: RuleTable,
        policy: IncidentCosts,
        state: MarketState,
    ) -> None:
        self.model, self._rules, self._policy = model, rules, policy
        self._state = state

    def judge(self, window: Window, owner: str) -> Verdict | Refusal:
        """The verdict of one window."""

        def judged(tape: Tape) -> Verdict:
            if isinstance(window, MarketTrades):
                return self._trades(window, tape)
            return self._orders(window)

        return self._state.once(window, owner, judged)

    def close(self) -> None:
        """Release the memory's file."""
        self._state.close()

    def _trades(self, window: MarketTrades, tape: Tape) -> Verdict:
        rows, start_s, history_s = _rows(window, tape)
        cold = history_s < WARM_UP_S
        found: list[_Found] = []
        if self.model is not None and not cold:
            found.append(_pump(self.model["pump"], rows, start_s))
        fills = [
            Fill(t.at_ms / 1000, t.buyer, t.seller, t.amount)
            for t in window.trades
            if t.buyer is not None and t.seller is not None
        ]
        if self.model is not None and fills:
            found += _wash(self.model["wash_trading"], fills)
        memory = MarketMemory(history_s=max(0.0, history_s), cold=cold)
        last = max(window.trades, key=lambda trade: trade.at_ms)
        facts: dict[str, Fact] = {
            "symbol": window.symbol,
            "venue": window.venue,
            "trades": float(len(window.trades)),
            "turnover": float(sum(t.price * t.amount for t in window.trades)),
            "last_price": last.price,
        }
        return self._verdict(window, found, facts, memory)

    def _orders(self, window: OrderBook) -> Verdict:
        events = [
            OrderEvent(o.at_ms / 1000, o.account, o.order_id, o.action, o.side, o.amount)
            for o in sorted(window.orders, key=lambda order: order.at_ms)
        ]
        found = [] if self.model is None else _spoof(self.model["spoofing"], events)
        facts: dict[str, Fact] = {
            "symbol": window.symbol,
            "venue": window.venue,
            "orders": float(len(window.orders)),
        }
        return self._verdict(window, found, facts, None)

    def _verdict(
        self,
        window: Window,
        found: Sequence[_Found],
        facts: dict[str, Fact],
        memory: MarketMemory | None,
    ) -> Verdict:
        found = sorted(found, key=lambda each: -each.pattern.probability)
        pump = next((each for each in found if each.pattern.pattern == "pump"), None)
        if pump is not None:
            facts |= dict(zip(FEATURES, pump.row.tolist(), strict=True))
        hits = self._rules.hits(facts)
        missing = self._missing(memory)
        known = self.model is not None and (bool(found) or not missing)
        worst = found[0] if found else None
        probability = (worst.pattern.probability if worst else 0.0) if known else None
        loss = None if probability is None else self._policy.of_incident(probability)
        outcome = decided(hits, loss, self._policy, suspicious=bool(missing))
        return Verdict(
            event_id=window.event_id,
            kind=window.kind,
            decision=outcome.decision,
            probability=probability,
            score=worst.margin if worst else None,
            expected_loss=loss,
            reasons=self._reasons(worst, exact=outcome.decision != "approve"),
            rules=hits,
            decided_by="degraded" if missing and outcome.by != "rule" else outcome.by,
            memory=memory,
            patterns=tuple(each.pattern for each in found),
            degraded=missing,
        )

    def _missing(self, memory: MarketMemory | None) -> tuple[str, ...]:
        if self.model is None:
            return (NO_MODEL,)
        return (NO_HISTORY,) if memory is not None and memory.cold else ()

    def _reasons(self, worst: _Found | None, *, exact: bool) -> tuple[Reason, ...]:
        if worst is None or self.model is None:
            return ()
        name = worst.pattern.pattern
        model = self.model[name]
        shares = model.contributions(worst.row, exact=exact)
        ranked = sorted(range(len(shares)), key=lambda k: -shares[k])[:TOP]
        return tuple(
            Reason(
                code=CODES[name],
                feature=model.features[k],
                value=round(float(worst.row[k]), 4),
                contribution=round(shares[k], 4),
                method="shapley" if exact else "path",
                text=f"{model.features[k].replace('_', ' ')}: {worst.row[k]:.3g}",
            )
            for k in ranked
            if shares[k] > 0
        )


def _rows(window: MarketTrades, tape: Tape) -> tuple[Floats, Floats, float]:
    """Features of the window's chunks, their starts, and the seconds known before."""
    trades = window.trades
    first, last = tape.add(
        [t.at_ms for t in trades],
        [t.taker_buy for t in trades],
        np.array([t.price for t in trades]),
        np.array([t.amount for t in trades]),
    )
    chunks = tape.chunks()
    begin = int(chunks.start_s[0]) // SIZE_S
    warm = max(first - begin, min(WARM_UP_S // SIZE_S, last - begin))
    asked = slice(warm, last - begin + 1)
    # History that came within the window counts: what is judged begins after an hour of it.
    return features(chunks, SIZE_S)[asked], chunks.start_s[asked], float(warm * SIZE_S)


def _pump(model: PatternModel, rows: Floats, start_s: Floats) -> _Found:
    margins = model.margins(rows)
    place = int(margins.argmax())
    at = datetime.fromtimestamp(float(start_s[place]), UTC)
    pattern = Pattern(pattern="pump", probability=model.probability(float(margins[place])), at=at)
    return _Found(pattern, float(margins[place]), rows[place])


def _wash(model: PatternModel, fills: Sequence[Fill]) -> list[_Found]:
    evidence = wash_evidence(fills)
    groups = {tuple(sorted(group)): row for group, row in evidence.items()}
    return _guilty(model, "wash_trading", groups)


def _spoof(model: PatternModel, events: Sequence[OrderEvent]) -> list[_Found]:
    evidence = spoof_evidence(events)
    return _guilty(model, "spoofing", {(account,): row for account, row in evidence.items()})


def _guilty(
    model: PatternModel, name: str, evidence: Mapping[tuple[str, ...], Sequence[float]]
) -> list[_Found]:
    """Every candidate, the worst first, at most `NAMED`."""
    if not evidence:
        return []
    rows = np.array(list(evidence.values()), float)
    margins = model.margins(rows)
    ranked = np.argsort(-margins, kind="stable")[:NAMED].tolist()
    accounts = list(evidence)
    return [
        _Found(
            Pattern.model_validate(
                {
                    "pattern": name,
                    "probability": model.probability(float(margins[k])),
                    "at": None,
                    "accounts": accounts[k],
                }
            ),
            float(margins[k]),
            rows[k],
        )
        for k in ranked
    ]
