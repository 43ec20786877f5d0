"""Windows of trades and of orders, judged."""

from typing import Any

import numpy as np
import pytest

from models.fraud.market import cut
from models.fraud.market_judge import MarketJudge
from models.fraud.market_schema import MarketTrades, OrderBook
from models.fraud.market_scoring import MarketModel
from models.fraud.market_state import MarketState
from models.fraud.outcomes import IncidentCosts
from models.fraud.pump_simulator import TapeDay, tape_day
from models.fraud.rules import RuleTable
from models.fraud.schema import MarketMemory, Refusal, Verdict
from models.fraud.tape import SIZE_S, Tape

PUMP_SEED = 4_000_002


@pytest.fixture(scope="module")
def model() -> MarketModel:
    return MarketModel.load()


@pytest.fixture
def judge(model: MarketModel) -> MarketJudge:
    return MarketJudge(model, RuleTable(), IncidentCosts(), MarketState())


@pytest.fixture(scope="module")
def day() -> TapeDay:
    return tape_day(PUMP_SEED, pump=True)


def window(day: TapeDay, name: str, start_s: float, end_s: float) -> MarketTrades:
    inside = (day.ts_ms >= start_s * 1000) & (day.ts_ms < end_s * 1000)
    columns = (day.ts_ms[inside], day.taker_buy[inside], day.price[inside], day.amount[inside])
    trades = [
        {"at_ms": ts, "taker_buy": buy, "price": price, "amount": amount}
        for ts, buy, price, amount in zip(*(c.tolist() for c in columns), strict=True)
    ]
    return MarketTrades.model_validate(
        {"kind": "market_trades", "event_id": name, "symbol": "X", "trades": trades}
    )


def judged(judge: MarketJudge, event: MarketTrades | OrderBook, owner: str = "local") -> Verdict:
    verdict = judge.judge(event, owner)
    assert isinstance(verdict, Verdict)
    return verdict


def test_a_pump_is_stopped_and_the_hours_before_it_are_not(
    judge: MarketJudge, day: TapeDay
) -> None:
    assert day.pumped_s is not None
    quiet = judged(judge, window(day, "a", 0, day.pumped_s - 60))
    pump = judged(judge, window(day, "b", day.pumped_s - 60, day.pumped_s + 60))

    assert quiet.decision == "approve"
    assert pump.decision in ("review", "block")
    assert pump.patterns[0].pattern == "pump"
    assert pump.patterns[0].at is not None
    assert abs(pump.patterns[0].at.timestamp() - day.pumped_s) <= 60
    assert all(reason.method == "shapley" for reason in pump.reasons)


def test_without_an_hour_of_trades_nothing_is_approved(judge: MarketJudge, day: TapeDay) -> None:
    first_s = day.ts_ms[0] / 1000
    verdict = judged(judge, window(day, "a", 0, first_s + 1800))

    assert (verdict.decision, verdict.decided_by) == ("review", "degraded")
    assert "hour" in verdict.degraded[0]
    assert isinstance(verdict.memory, MarketMemory)
    assert verdict.memory.cold


def test_windows_in_a_row_are_remembered_as_one(day: TapeDay) -> None:
    whole, parts = Tape(), Tape()
    columns = (day.ts_ms, day.taker_buy, day.price, day.amount)
    whole.add(*columns)
    for part in np.array_split(np.arange(len(day.ts_ms)), 7):
        parts.add(*(column[part] for column in columns))

    for name in ("start_s", "buy", "sell", "largest", "last", "highest"):
        assert getattr(parts.chunks(), name) == pytest.approx(getattr(whole.chunks(), name))


def test_a_tape_holds_what_cutting_gives(day: TapeDay) -> None:
    tape = Tape()
    few = slice(0, 400)
    columns = [c[few] for c in (day.ts_ms, day.taker_buy, day.price, day.amount)]
    tape.add(*columns)
    made, kept = cut(*columns, SIZE_S), tape.chunks()

    assert kept.buy == pytest.approx(made.buy)
    assert kept.rush == pytest.approx(made.rush)
    assert kept.last == pytest.approx(made.last)


def test_a_repeated_window_counts_once(judge: MarketJudge, day: TapeDay) -> None:
    event = window(day, "a", 0, day.ts_ms[0] / 1000 + 9000)
    first, again = judged(judge, event), judged(judge, event)
    other = judge.judge(window(day, "a", 0, day.ts_ms[0] / 1000 + 600), "local")

    assert again == first.model_copy(update={"duplicate": True})
    assert isinstance(other, Refusal)
    assert other.code == "conflict"


def test_accounts_that_trade_in_a_circle_are_named(judge: MarketJudge) -> None:
    trades: list[dict[str, Any]] = []
    for loop in range(20):
        for buyer, seller in (("a", "b"), ("b", "c"), ("c", "a")):
            at_ms = 1_767_225_600_000 + 60_000 * loop + 1000 * len(trades)
            amount = 10.0 + 0.1 * loop
            sides = {"buyer": buyer, "seller": seller, "taker_buy": True}
            trades.append({"at_ms": at_ms, "price": 1.0, "amount": amount, **sides})
    event = MarketTrades.model_validate(
        {"kind": "market_trades", "event_id": "w", "symbol": "X", "trades": trades}
    )
    verdict = judged(judge, event)

    assert verdict.patterns[0].pattern == "wash_trading"
    assert set(verdict.patterns[0].accounts) == {"a", "b", "c"}
    assert verdict.patterns[0].probability > 0.5
    assert verdict.decision in ("review", "block")


def orders(spoofs: int) -> OrderBook:
    made = []

    def add(at_s: float, account: str, order: str, action: str, side: str, amount: float) -> None:
        at_ms = 1_767_225_600_000 + int(1000 * at_s)
        row = {"at_ms": at_ms, "account": account, "order_id": order, "action": action}
        made.append({**row, "side": side, "amount": amount})

    for n in range(60):
        add(60.0 * n, f"h{n % 9}", f"h{n}", "place", "buy", 1.0)
        add(60.0 * n + 40, f"h{n % 9}", f"h{n}", "fill" if n % 2 else "cancel", "buy", 1.0)
    for n in range(spoofs):
        start = 300.0 * n
        add(start, "s", f"s{n}", "place", "buy", 1.0)
        add(start + 0.5, "s", f"l{n}", "place", "sell", 11.0)
        add(start + 3, "s", f"s{n}", "fill", "buy", 1.0)
        add(start + 4, "s", f"l{n}", "cancel", "sell", 11.0)
    return OrderBook.model_validate(
        {"kind": "order_book", "event_id": f"o{spoofs}", "symbol": "X", "orders": made}
    )


def test_a_habit_of_vanishing_orders_is_named_and_an_honest_book_is_approved(
    judge: MarketJudge,
) -> None:
    honest, spoofed = judged(judge, orders(0)), judged(judge, orders(8))

    assert honest.decision == "approve"
    assert honest.patterns == ()
    assert spoofed.patterns[0].accounts == ("s",)
    assert spoofed.patterns[0].probability > 0.5
    assert spoofed.decision in ("review", "block")


def test_without_a_model_every_window_goes_to_review(day: TapeDay) -> None:
    judge = MarketJudge(None, RuleTable(), IncidentCosts(), MarketState())

    for event in (window(day, "a", 0, day.ts_ms[0] / 1000 + 9000), orders(0)):
        assert judged(judge, event).decision == "review"
        assert judged(judge, event).decided_by == "degraded"
