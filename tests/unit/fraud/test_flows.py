"""Network flows: three kinds of logs, windows over earlier flows, and verdicts."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.core.seeds import numpy_generator
from models.fraud.flow_generator import generate_flows
from models.fraud.flow_judge import FlowJudge
from models.fraud.flow_maker import Network
from models.fraud.flow_rows import (
    COLUMNS,
    SOURCE_OF,
    WIDTH,
    described,
    row_of_flow,
    row_of_nsl_kdd,
)
from models.fraud.flow_schema import NetworkFlow, NslKdd, SuricataFlow, ZeekConn
from models.fraud.flow_scoring import FlowModel
from models.fraud.flow_state import FlowState
from models.fraud.flow_windows import HOST_FLOWS, NEAR_S, FlowWindows
from models.fraud.flows import Flow
from models.fraud.outcomes import IncidentCosts
from models.fraud.rules import RuleTable
from models.fraud.schema import FlowMemory, Refusal, Verdict
from models.fraud.shelf import Files

ZEEK = {
    "ts": 1_767_225_600.5,
    "uid": "CHhAvVGS1DHFjwGM9",
    "id.orig_h": "10.0.0.5",
    "id.orig_p": 51234,
    "id.resp_h": "203.0.1.9",
    "id.resp_p": 443,
    "proto": "tcp",
    "service": "ssl",
    "duration": 1.25,
    "orig_bytes": 420,
    "resp_bytes": 5300,
    "conn_state": "SF",
    "local_orig": True,
}
SURICATA = {
    "timestamp": "2026-01-01T00:00:02.750000+0000",
    "flow_id": 1,
    "event_type": "flow",
    "src_ip": "10.0.0.5",
    "src_port": 51234,
    "dest_ip": "203.0.1.9",
    "dest_port": 443,
    "proto": "TCP",
    "app_proto": "tls",
    "flow": {
        "pkts_toserver": 6,
        "pkts_toclient": 8,
        "bytes_toserver": 420 + 6 * 40,
        "bytes_toclient": 5300 + 8 * 40,
        "start": "2026-01-01T00:00:00.500000+0000",
        "end": "2026-01-01T00:00:01.750000+0000",
        "state": "closed",
        "reason": "timeout",
    },
    "tcp": {"tcp_flags": "1b", "tcp_flags_ts": "1b", "tcp_flags_tc": "1b", "state": "closed"},
}


def flow(at_s: float = 0.0, **other: Any) -> Flow:
    given: dict[str, Any] = {
        "at_s": at_s,
        "source": "a",
        "source_port": 5000,
        "host": "h",
        "port": 80,
        "protocol": "tcp",
        "service": "web",
        "flag": "SF",
        "duration_s": 1.0,
        "sent_bytes": 10.0,
        "received_bytes": 10.0,
        **other,
    }
    return Flow(**given)


def zeek(number: int, **other: Any) -> NetworkFlow:
    row = {**ZEEK, "ts": ZEEK["ts"] + number, **other}
    return NetworkFlow.model_validate(
        {"kind": "network_flow", "event_id": f"f{number}", "zeek": row}
    )


@pytest.fixture(scope="module")
def model() -> FlowModel:
    return FlowModel.load()


@pytest.fixture
def judge(model: FlowModel, tmp_path: Path) -> FlowJudge:
    return FlowJudge(model, RuleTable(), IncidentCosts(), Files(tmp_path), FlowState())


def test_zeek_and_suricata_tell_the_same_of_the_same_connection() -> None:
    one = ZeekConn.model_validate(ZEEK).flow()
    other = SuricataFlow.model_validate(SURICATA).flow()

    assert one == other
    assert one.service == "web"
    assert one.flag == "SF"


def test_zeeks_unset_fields_are_not_known() -> None:
    row = {**ZEEK, "service": "-", "duration": "-", "orig_bytes": "-", "resp_bytes": "-"}
    plain = ZeekConn.model_validate(row).flow()

    assert math.isnan(plain.duration_s)
    assert math.isnan(plain.sent_bytes)
    assert plain.service == "web"  # by its port


@pytest.mark.parametrize(
    ("sent", "received", "packets", "flag"),
    [
        ("02", "00", 0, "S0"),
        ("02", "14", 1, "REJ"),
        ("1f", "1b", 5, "RSTO"),
        ("1b", "16", 5, "RSTR"),
    ],
)
def test_suricatas_flags_tell_how_a_connection_ended(
    sent: str, received: str, packets: int, flag: str
) -> None:
    counts = {**SURICATA["flow"], "pkts_toclient": packets, "state": "established"}
    tcp = {"tcp_flags_ts": sent, "tcp_flags_tc": received}
    row = {**SURICATA, "flow": counts, "tcp": tcp}

    assert SuricataFlow.model_validate(row).flow().flag == flag


def test_exactly_one_form_is_expected() -> None:
    for forms in ({}, {"zeek": ZEEK, "suricata": SURICATA}):
        with pytest.raises(ValidationError, match="exactly one"):
            NetworkFlow.model_validate({"kind": "network_flow", "event_id": "x", **forms})


def test_what_nsl_kdd_leaves_out_is_not_known() -> None:
    given = NslKdd(
        protocol_type="tcp", service="ftp_data", flag="SF", duration=0, src_bytes=5, dst_bytes=7
    )
    row = row_of_nsl_kdd(given)

    assert row.shape == (WIDTH,) == (len(SOURCE_OF),)
    assert row[COLUMNS.index("src_bytes")] == 5
    assert np.isnan(row[COLUMNS.index("count")])
    assert described(row)["service"] == "transfer"


def test_windows_count_what_a_slow_recount_counts() -> None:
    """Against the definition: the flows of the last two seconds, and the last 255 to the host."""
    random, windows, past = numpy_generator(0, "flows"), FlowWindows(), list[Flow]()
    at_s = 0.0
    for _ in range(400):
        at_s += random.exponential(0.05)
        new = flow(
            at_s,
            host=f"h{random.integers(3)}",
            port=int(random.integers(4)),
            source=f"s{random.integers(3)}",
            flag=str(random.choice(["SF", "S0", "REJ"])),
        )
        past.append(new)
        found = windows.add(new)
    near = [each for each in past if new.at_s - each.at_s <= NEAR_S]
    to_host = [each for each in near if each.host == new.host]
    service = [each for each in near if each.port == new.port]
    last = [each for each in past if each.host == new.host][-HOST_FLOWS:]

    assert found["count"] == len(to_host)
    assert found["srv_count"] == len(service)
    assert found["serror_rate"] == pytest.approx(np.mean([e.flag == "S0" for e in to_host]))
    assert found["srv_rerror_rate"] == pytest.approx(np.mean([e.flag == "REJ" for e in service]))
    assert found["same_srv_rate"] == pytest.approx(np.mean([e.port == new.port for e in to_host]))
    assert found["srv_diff_host_rate"] == pytest.approx(
        np.mean([e.host != new.host for e in service])
    )
    assert found["dst_host_count"] == len(last)
    assert found["dst_host_srv_count"] == sum(e.port == new.port for e in last)
    assert found["dst_host_serror_rate"] == pytest.approx(np.mean([e.flag == "S0" for e in last]))


def test_generated_flows_are_the_same_for_the_same_seed() -> None:
    small = Network(sessions=20, attacks=1)

    assert generate_flows(small, 3) == generate_flows(small, 3)
    assert generate_flows(small, 3) != generate_flows(small, 4)


def test_a_flood_is_stopped_and_ordinary_pages_are_approved(model: FlowModel) -> None:
    """On days that the shipped weights never saw."""
    windows, normal, flood = FlowWindows(), [], []
    for each in generate_flows(Network(sessions=120, attacks=1), 77):
        row = row_of_flow(each.flow, windows.add(each.flow))
        if each.attack == "syn_flood":
            flood.append(row)
        elif not each.attack:
            normal.append(row)
    stopped = [score.alarm for score in model.scores(np.array(flood, float))]
    annoyed = [score.alarm for score in model.scores(np.array(normal, float))]

    assert np.mean(stopped) > 0.9
    assert np.mean(annoyed) < 0.1


def test_one_flow_is_scored_as_in_a_batch(model: FlowModel) -> None:
    windows = FlowWindows()
    rows = np.array([row_of_flow(flow(n), windows.add(flow(n))) for n in range(80)], float)
    batch = model.scores(rows)

    for place in (0, 40, 79):
        (single,) = model.scores(rows[place : place + 1])
        assert single.score == pytest.approx(batch[place].score, abs=1e-3)


def test_reasons_add_up_to_the_attributed_parts(model: FlowModel) -> None:
    windows = FlowWindows()
    row = row_of_flow(flow(flag="S0"), windows.add(flow(flag="S0"))).astype(float)
    (score,) = model.scores(row[None])
    shares, _ = model.shares(row, score.parts, exact=True)

    assert sum(shares.values()) == pytest.approx(score.score - score.parts[1], rel=1e-6)


def test_a_sweep_is_not_approved_and_says_why(judge: FlowJudge) -> None:
    sweep = [
        zeek(
            n,
            **{"ts": 1_767_225_600 + 0.02 * n, "id.resp_p": 1 + 7 * n, "service": None},
            conn_state="REJ",
            orig_bytes=0,
            resp_bytes=0,
            duration=0,
        )
        for n in range(120)
    ]
    verdict = judge.judge(sweep, "local")[-1]

    assert isinstance(verdict, Verdict)
    assert verdict.decision in ("review", "block")
    assert verdict.decided_by == "model"
    assert verdict.probability is not None
    assert verdict.reasons
    assert {reason.method for reason in verdict.reasons} <= {"shapley", "distance"}
    assert isinstance(verdict.memory, FlowMemory)
    assert verdict.memory.to_host == 120


def test_a_repeated_flow_counts_once_and_another_with_its_id_is_refused(judge: FlowJudge) -> None:
    first, again, other, last = judge.judge([zeek(0), zeek(0), zeek(0, proto="udp"), zeek(1)], "a")

    assert isinstance(first, Verdict)
    assert isinstance(again, Verdict)
    assert again.duplicate
    assert again.score == pytest.approx(first.score)
    assert isinstance(other, Refusal)
    assert other.code == "conflict"
    assert isinstance(last, Verdict)
    assert isinstance(last.memory, FlowMemory)
    assert last.memory.flows_seen == 1


def test_owners_share_no_windows(judge: FlowJudge) -> None:
    judge.judge([zeek(n) for n in range(5)], "one")
    (verdict,) = judge.judge([zeek(0)], "other")

    assert isinstance(verdict, Verdict)
    assert isinstance(verdict.memory, FlowMemory)
    assert verdict.memory.flows_seen == 0


def test_without_a_model_a_flow_goes_to_review_unless_a_rule_blocks(tmp_path: Path) -> None:
    when = [{"fact": "source", "operator": "==", "value": "10.0.0.66"}]
    rules = {"rules": [{"id": "r", "action": "block", "when": when, "text": "known"}]}
    judge = FlowJudge(
        None, RuleTable.model_validate(rules), IncidentCosts(), Files(tmp_path), FlowState()
    )
    plain, known = judge.judge([zeek(0), zeek(1, **{"id.orig_h": "10.0.0.66"})], "local")

    assert isinstance(plain, Verdict)
    assert (plain.decision, plain.decided_by) == ("review", "degraded")
    assert isinstance(known, Verdict)
    assert (known.decision, known.decided_by) == ("block", "rule")
