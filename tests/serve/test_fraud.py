"""Payments are judged over real HTTP, and remembered when the replica dies."""

import os
import signal
from typing import Any

import pytest

from tests.serve.conftest import Service

pytestmark = pytest.mark.serve
ROUTE = "/api/v1/fraud/analyze"


def payment(number: int, **other: Any) -> dict[str, Any]:
    return {
        "kind": "transaction",
        "event_id": f"{other.get('customer_id', 'anna')}-{number}",
        "at": f"2026-03-01T{number:02d}:00:00Z",
        "customer_id": "anna",
        "terminal_id": "kiosk",
        "amount": 20.0,
        **other,
    }


def test_a_payment_is_judged_with_its_reasons(orrery: Service) -> None:
    with orrery.client() as client:
        answer = client.post(ROUTE, json=payment(0, customer_id="first"))
        models = client.get("/api/v1/fraud/models").json()["models"]

    (verdict,) = answer.json()["results"]
    assert answer.status_code == 200
    assert verdict["decided_by"] == "model"
    assert 0 <= verdict["probability"] <= 1
    assert verdict["memory"]["cold"] is True
    assert answer.json()["models"]["transaction"]["sha256"] == models[0]["weights_sha256"]


def test_what_is_not_valid_is_refused(orrery: Service) -> None:
    with orrery.client() as client:
        single = client.post(ROUTE, json=payment(0, amount=-1))
        batch = client.post(ROUTE, json={"events": [payment(0, amount=-1), payment(9)]})
        unknown = client.post(ROUTE, json=payment(0, kind="order_book"))

    assert single.status_code == unknown.status_code == 422
    assert "amount" in single.text
    assert [each["outcome"] for each in batch.json()["results"]] == ["refused", "judged"]


def test_a_flood_of_flows_becomes_cases_that_feedback_closes(orrery: Service) -> None:
    row = {"id.orig_p": 4000, "id.resp_h": "10.1.0.1", "id.resp_p": 80, "proto": "tcp"}
    flood = [
        {
            "kind": "network_flow",
            "event_id": f"flood-{n}",
            "zeek": {**row, "ts": 1.7e9 + n / 100, "id.orig_h": f"203.0.{n}.1", "conn_state": "S0"},
        }
        for n in range(150)
    ]
    report = {"event_id": "flood-149", "kind": "network_flow", "fraud": True}
    with orrery.client() as client:
        answer = client.post("/analyze", json={"events": flood}).json()
        asked = {"status": "open", "kind": "network_flow", "limit": 1}
        (case,) = client.get("/api/v1/fraud/cases", params=asked).json()["cases"]
        noted = client.post(
            "/feedback", json={"reports": [{**report, "reported_at": "2026-03-01T00:00:00Z"}]}
        )
        closed = client.get(f"/api/v1/fraud/cases/{case['case_id']}").json()["case"]

    assert answer["results"][149]["decision"] in ("review", "block")
    assert case["event_id"] == "flood-149"
    assert noted.json()["results"][0]["outcome"] == "noted"
    assert closed["status"] == "fraud"


def test_payments_survive_the_death_of_the_replica(orrery: Service) -> None:
    with orrery.client() as client:
        for number in range(4):
            client.post(ROUTE, json=payment(number, customer_id="survivor")).raise_for_status()
        for replica in orrery.replicas("fraud"):
            os.kill(replica.pid, signal.SIGKILL)
        again = client.post(ROUTE, json=payment(3, customer_id="survivor")).json()["results"][0]
        later = client.post(ROUTE, json=payment(5, customer_id="survivor")).json()["results"][0]

    assert again["duplicate"] is True
    assert later["memory"]["customer_payments_30d"] == 4
