"""What is remembered of flows and markets, across restarts and between replicas of one machine."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.fraud.flow_log import FlowLog
from models.fraud.flow_schema import NetworkFlow
from models.fraud.flow_state import FlowState
from models.fraud.market_log import IDLE_S
from models.fraud.market_schema import MarketTrades
from models.fraud.market_state import MarketState
from models.fraud.schema import Refusal, Verdict
from models.fraud.tape import Tape

START_S = 1_767_225_600


def flow(number: int, **other: Any) -> NetworkFlow:
    row = {
        "ts": START_S + 0.3 * number,
        "id.orig_h": f"10.0.0.{number % 3}",
        "id.orig_p": 5000 + number % 2,
        "id.resp_h": f"203.0.1.{number % 4}",
        "id.resp_p": 80 + number % 2,
        "proto": "tcp",
        "conn_state": ("SF", "S0", "REJ")[number % 3],
        **other,
    }
    return NetworkFlow.model_validate(
        {"kind": "network_flow", "event_id": f"f{number}", "zeek": row}
    )


def taken(state: FlowState, *numbers: int, owner: str = "local") -> list[tuple[bytes, int, bool]]:
    """Features bit for bit, flows seen before, and whether it is a repetition."""
    found, why = state.take([flow(number) for number in numbers], owner)
    assert not why
    return [(each.row.tobytes(), each.memory.flows_seen, again) for each, again in found]


def test_a_restart_changes_no_window_of_flows(tmp_path: Path) -> None:
    path, steady = tmp_path / "flows.sqlite", FlowState()
    told = [each for number in range(60) for each in taken(steady, number)]
    first = FlowState(path)
    before = taken(first, *range(40))
    first.close()
    second = FlowState(path)
    after = taken(second, *range(38, 60))
    second.close()

    assert [*before, *after[2:]] == told
    assert [(*each[:2], False) for each in after[:2]] == told[38:40]
    assert [again for *_, again in after[:3]] == [True, True, False]


def test_replicas_on_one_file_see_each_others_flows(tmp_path: Path) -> None:
    replicas = [FlowState(tmp_path / "flows.sqlite") for _ in range(2)]
    alone = FlowState()
    told = [each for number in range(30) for each in taken(alone, number)]
    found = [each for number in range(30) for each in taken(replicas[number % 2], number)]
    ((*_, again),) = taken(replicas[0], 29)
    ((_, seen_by_other, _),) = taken(replicas[1], 0, owner="other")
    for each in replicas:
        each.close()

    assert found == told
    assert again
    assert seen_by_other == 0


def test_flows_count_where_the_record_cannot_be_written_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    state = FlowState(tmp_path / "folder" / "flows.sqlite")
    _, why = state.take([flow(0)], "local")
    ((later, _),), _ = state.take([flow(1)], "local")
    ((_, again),), _ = state.take([flow(0)], "local")
    (tmp_path / "folder").unlink()
    ((_, seen, _),) = taken(state, 2)
    state.close()

    assert "flows.sqlite" in why
    assert (later.memory.flows_seen, again, seen) == (1, True, 2)


def test_only_the_latest_flows_stay_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.fraud.flow_log.KEPT", 10)
    state = FlowState(tmp_path / "flows.sqlite")
    taken(state, *range(25))
    taken(state, *range(25, 30))
    state.close()
    log = FlowLog(tmp_path / "flows.sqlite")
    kept = [each.event_id for _, each in log.since("local", 0)]
    log.close()

    assert kept == [f"f{number}" for number in range(20, 30)]


def window(minute: int, event_id: str = "") -> MarketTrades:
    """Forty trades within a minute."""
    trades = [
        {
            "at_ms": 1000 * (START_S + 60 * minute) + 1500 * n,
            "price": 1 + n / 1000,
            "amount": 1.0 + (minute + n) % 5,
            "taker_buy": n % 3 > 0,
        }
        for n in range(40)
    ]
    return MarketTrades.model_validate(
        {
            "kind": "market_trades",
            "event_id": event_id or f"w{minute}",
            "symbol": "X",
            "trades": trades,
        }
    )


def bought(state: MarketState, event: MarketTrades, owner: str = "local") -> Verdict:
    """The verdict of a judge who tells as a score what was bought on the tape."""

    def judge(tape: Tape) -> Verdict:
        trades = event.trades
        tape.add(
            [t.at_ms for t in trades],
            [t.taker_buy for t in trades],
            np.array([t.price for t in trades]),
            np.array([t.amount for t in trades]),
        )
        return Verdict(
            event_id=event.event_id,
            kind=event.kind,
            decision="approve",
            probability=None,
            score=float(tape.chunks().buy.sum()),
            expected_loss=None,
            reasons=(),
            rules=(),
            decided_by="model",
            memory=None,
        )

    verdict = state.once(event, owner, judge)
    assert isinstance(verdict, Verdict)
    return verdict


def test_a_restart_forgets_no_trade_and_no_answer(tmp_path: Path) -> None:
    path, steady = tmp_path / "markets.sqlite", MarketState()
    told = [bought(steady, window(minute)) for minute in range(6)]
    first = MarketState(path, lambda: START_S)
    found = [bought(first, window(minute)) for minute in range(3)]
    first.close()
    second = MarketState(path, lambda: START_S)
    again = bought(second, window(2))
    found += [bought(second, window(minute)) for minute in range(3, 6)]
    other = second.once(window(9, "w2"), "local", lambda _: again)
    second.close()

    assert [each.score for each in found] == pytest.approx([each.score for each in told])
    assert again == found[2].model_copy(update={"duplicate": True})
    assert isinstance(other, Refusal)
    assert other.code == "conflict"


def test_replicas_on_one_file_see_each_others_trades(tmp_path: Path) -> None:
    replicas = [MarketState(tmp_path / "markets.sqlite", lambda: START_S) for _ in range(2)]
    alone = MarketState()
    told = [bought(alone, window(minute)).score for minute in range(6)]
    found = [bought(replicas[minute % 2], window(minute)).score for minute in range(6)]
    again = bought(replicas[0], window(5))
    foreign = bought(replicas[1], window(0), owner="other")
    for each in replicas:
        each.close()

    assert found == pytest.approx(told)
    assert again.duplicate
    assert (foreign.score, foreign.duplicate) == (told[0], False)


def test_trades_count_where_the_record_cannot_be_written_and_are_written_later(
    tmp_path: Path,
) -> None:
    (tmp_path / "folder").write_text("in the way")
    path, alone = tmp_path / "folder" / "markets.sqlite", MarketState()
    told = [bought(alone, window(minute)).score for minute in range(3)]
    state = MarketState(path, lambda: START_S)
    first, again = bought(state, window(0)), bought(state, window(0))
    (tmp_path / "folder").unlink()
    second = bought(state, window(1))
    state.close()
    restarted = MarketState(path, lambda: START_S)
    third = bought(restarted, window(2))
    restarted.close()

    assert "markets.sqlite" in first.degraded[0]
    assert again.duplicate
    assert (second.degraded, third.degraded) == ((), ())
    assert [first.score, second.score, third.score] == pytest.approx(told)


def test_a_pair_that_was_idle_for_days_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "markets.sqlite"
    first = MarketState(path, lambda: START_S)
    before = bought(first, window(0)).score
    first.close()
    later = MarketState(path, lambda: START_S + IDLE_S + 1)
    after = bought(later, window(0, "other")).score
    later.close()

    assert after == before
