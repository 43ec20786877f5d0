"""What is remembered of flows and markets when the process is killed in the midst of a stream."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models.fraud.flow_log import FlowLog
from models.fraud.flow_state import FlowState
from models.fraud.market_log import MarketLog, Pair
from models.fraud.market_state import MarketState
from models.fraud.schema import Verdict
from tests.training.stream_memory import FLOWS, START_S, flow, judge_of, window

ROOT = Path(__file__).resolve().parents[2]
REQUESTS, KILLED_AFTER, REPEATED = 400, 150, 20
PAIR = Pair("local", "-", "X")


def killed_midway(folder: Path) -> int:
    """How many requests a process had answered when it was killed."""
    command = [sys.executable, "-m", "tests.training.stream_memory", str(folder), str(REQUESTS)]
    accepted = 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            accepted = int(line)
            if accepted == KILLED_AFTER:
                process.send_signal(signal.SIGKILL)
                break
    return accepted


def test_no_flow_is_lost_or_counted_twice_when_the_process_is_killed(tmp_path: Path) -> None:
    accepted, last = killed_midway(tmp_path), FLOWS * REQUESTS
    log = FlowLog(tmp_path / "flows.sqlite")
    recorded = [each.event_id for _, each in log.since("local", 0)]
    log.close()
    restarted, steady = FlowState(tmp_path / "flows.sqlite"), FlowState()
    # Some are sent again, as by a client that saw no answer.
    restarted.take([flow(number) for number in range(FLOWS * (accepted - REPEATED), last)], "local")
    steady.take([flow(number) for number in range(last)], "local")
    ((found, _),), why = restarted.take([flow(last)], "local")
    ((told, _),), _ = steady.take([flow(last)], "local")
    restarted.close()

    assert len(recorded) == len(set(recorded)) >= FLOWS * accepted
    assert not why
    assert found.row.tobytes() == told.row.tobytes()
    assert found.memory == told.memory


def test_no_trade_is_lost_or_counted_twice_when_the_process_is_killed(tmp_path: Path) -> None:
    accepted = killed_midway(tmp_path)
    path, steady_path = tmp_path / "markets.sqlite", tmp_path / "steady.sqlite"
    restarted = judge_of(MarketState(path, lambda: START_S))
    found = [restarted.judge(window(n), "local") for n in range(accepted - REPEATED, REQUESTS)]
    restarted.close()
    steady = judge_of(MarketState(steady_path, lambda: START_S))
    for number in range(REQUESTS):
        steady.judge(window(number), "local")
    steady.close()
    kept, told = (MarketLog(each, START_S) for each in (path, steady_path))
    chunks, expected = kept.chunks(PAIR), told.chunks(PAIR)
    kept.close()
    told.close()

    repeated = [isinstance(each, Verdict) and each.duplicate for each in found]
    # The process may have gone on before the signal reached it.
    assert all(repeated[:REPEATED])
    assert repeated == sorted(repeated, reverse=True)
    assert chunks.keys() == expected.keys()
    for number, values in expected.items():
        assert chunks[number] == pytest.approx(values)
