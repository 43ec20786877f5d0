"""What the fraud capability serves."""

from typing import Final

from graphs.entry import Entry
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
from models.fraud.flow_schema import BaselineRequest, BaselineResult
from models.fraud.schema import FraudRequest, FraudResult

ENTRIES: Final[tuple[Entry, ...]] = (
    Entry(
        name="fraud",
        title="Fraud: approve, review or block a payment, a network flow or a window of a market",
        route="/api/v1/fraud/analyze",
        aliases=("/analyze",),
        model="models.fraud.model:FraudModel",
        request=FraudRequest,
        result=FraudResult,
        example={
            "kind": "transaction",
            "event_id": "order-1001",
            "at": "2026-03-01T12:30:00Z",
            "customer_id": "anna",
            "terminal_id": "bookshop",
            "amount": 24.9,
            "country": "DE",
        },
    ),
    Entry(
        name="fraud_feedback",
        title="Fraud: report what became known of judged events",
        deployment="fraud",
        route="/api/v1/fraud/feedback",
        aliases=("/feedback",),
        model="models.fraud.model:FraudModel",
        request=FeedbackRequest,
        result=FeedbackResult,
        example={
            "reports": [
                {
                    "event_id": "order-1001",
                    "fraud": True,
                    "reported_at": "2026-03-09T08:00:00Z",
                    "source": "issuer",
                }
            ]
        },
    ),
    Entry(
        name="fraud_cases",
        title="Fraud: the queue of events that were sent to review or blocked",
        deployment="fraud",
        route="/api/v1/fraud/cases",
        method="GET",
        model="models.fraud.model:FraudModel",
        request=CasesRequest,
        result=CasesResult,
        example={"status": "open", "decision": "review"},
    ),
    Entry(
        name="fraud_case",
        title="Fraud: one case with its verdict",
        deployment="fraud",
        route="/api/v1/fraud/case/{case_id}",
        aliases=("/api/v1/fraud/cases/{case_id}",),
        method="GET",
        model="models.fraud.model:FraudModel",
        request=CaseRequest,
        result=CaseResult,
        needs="a case",
        example={"case_id": 1_000_000},
    ),
    Entry(
        name="fraud_drift",
        title="Fraud: how far payments have moved since training",
        deployment="fraud",
        route="/api/v1/fraud/drift",
        method="GET",
        model="models.fraud.model:FraudModel",
        request=DriftRequest,
        result=DriftResult,
        example={"payments": 5000},
    ),
    Entry(
        name="fraud_challenger",
        title="Fraud: the challenger beside the model that decides, on labelled payments",
        deployment="fraud",
        route="/api/v1/fraud/challenger",
        method="GET",
        model="models.fraud.model:FraudModel",
        request=ChallengerRequest,
        result=ChallengerResult,
        needs="an operator",
        example={"payments": 50000},
    ),
    Entry(
        name="fraud_promotion",
        title="Fraud: promote a challenger that wins, or roll back",
        deployment="fraud",
        route="/api/v1/fraud/champion",
        model="models.fraud.model:FraudModel",
        request=PromotionRequest,
        result=PromotionResult,
        needs="a challenger, and an operator",
        example={"action": "promote"},
        idempotent=False,
    ),
    Entry(
        name="fraud_baseline",
        title="Fraud: tell which flows are ordinary on your network",
        deployment="fraud",
        route="/api/v1/fraud/baseline",
        model="models.fraud.model:FraudModel",
        request=BaselineRequest,
        result=BaselineResult,
        needs="1,000 flows of your network",
        example={
            "flows": [
                {
                    "kind": "network_flow",
                    "event_id": "CHhAvVGS1DHFjwGM9",
                    "zeek": {
                        "ts": 1_772_366_400.5,
                        "id.orig_h": "10.0.0.5",
                        "id.orig_p": 51_234,
                        "id.resp_h": "203.0.113.9",
                        "id.resp_p": 443,
                        "proto": "tcp",
                        "service": "ssl",
                        "duration": 1.25,
                        "orig_bytes": 420,
                        "resp_bytes": 5300,
                        "conn_state": "SF",
                    },
                }
            ]
        },
    ),
)
