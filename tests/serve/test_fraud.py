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
