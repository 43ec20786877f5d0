"""Every capability, one entry each: adding one here is all it takes to serve it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from models.core.capability import Holding
from models.crypto.holding import held_until_next_bar
from models.crypto.reports import (
    BacktestRequest,
    BacktestResult,
    CoinsRequest,
    CoinsResult,
    RiskRequest,
    RiskResult,
    ScorecardRequest,
    ScorecardResult,
    SentimentRequest,
    SentimentResult,
)
from models.crypto.schema import PredictRequest, PredictResult
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
from models.image.fine_tune import (
    AdaptersRequest,
    AdaptersResult,
    FineTuneRequest,
    FineTuneResult,
)
from models.image.geometry_schema import GeometryRequest, GeometryResult
from models.image.schema import ImageRequest, ImageResult, StyleCard
from models.image.styles import style_cards
from models.video.cost import estimate as estimate_video
from models.video.schema import (
    EngineCard,
    PathRequest,
    PathResult,
    Resolution,
    VideoRequest,
    VideoResult,
    engine_cards,
    resolutions,
)


@dataclass(frozen=True)
class Table:
    """Values of a capability that are known without its model."""

    row: type[BaseModel]
    rows: Callable[[], Sequence[BaseModel]]


@dataclass(frozen=True)
class Entry:
    """How one operation of a capability is served.

    Attributes:
        name: Of the operation; of its deployment as well, unless `deployment` says otherwise.
        title: One line for people.
        route: Path. Names in braces are fields of the request.
        model: `module:class` of the `Capability`; imported in the replica only, since it may
            pull in a deep-learning library.
        request: Body of a POST; path and query parameters of a GET.
        result: Reply.
        example: A request worth pasting: shown by OpenAPI, run by the contract tests.
        idempotent: The same request may be run again after a replica died under it.
        deterministic: Equal requests give equal results (where there is a seed, with the same
            seed), so that workflows may remember them.
        deployment: Serves this and other entries of the same `model`; is their key scope and
            the place of their further routes under `/api/v1/`.
        method: GET is for questions that change nothing.
        aliases: Further paths of the same operation.
        durable: Takes long: its POST is always accepted as a task, never waited for.
        estimate: What a request will take, told by `dry_run` and with the 202 of a durable
            operation; raises `CapabilityError` for what is too much.
        home: What a replica has in memory that can begin with a request at once; it goes to such
            a replica if there is one that has room. Empty where any will do.
        holds: Until when an answer stays true, so that the gateway may repeat it; none where it
            must be made afresh. For answers that depend on request, caller and models alone.
        needs: What the example needs and a fresh machine lacks; it is refused without.
        tables: Further GET routes, `/api/v1/{deployment}/{key}`.
    """

    name: str
    title: str
    route: str
    model: str
    request: type[BaseModel]
    result: type[BaseModel]
    example: Mapping[str, JsonValue]
    idempotent: bool = True
    deterministic: bool = False
    deployment: str = ""
    method: Literal["GET", "POST"] = "POST"
    aliases: tuple[str, ...] = ()
    durable: bool = False
    estimate: Callable[[Any], BaseModel] | None = None
    home: Callable[[Any], str] | None = None
    holds: Callable[[Any], Holding | None] | None = None
    needs: str = ""
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def served_by(self) -> str:
        """Name of the deployment."""
        return self.deployment or self.name


def by_deployment(catalogue: Sequence[Entry]) -> dict[str, Entry]:
    """The first entry of every deployment."""
    first: dict[str, Entry] = {}
    for entry in catalogue:
        first.setdefault(entry.served_by, entry)
    return first


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        name="image",
        title="Text to image: a path-traced scene of what the prompt describes",
        route="/api/v1/generate/image",
        model="models.image.model:ImageModel",
        request=ImageRequest,
        result=ImageResult,
        deterministic=True,
        example={"prompt": "a chrome teapot next to two red apples on a wooden table", "seed": 7},
        home=ImageRequest.home,
        tables={"styles": Table(StyleCard, style_cards)},
    ),
    Entry(
        name="image_fine_tunes",
        title="Teach a diffusion model a subject from a few photos (DreamBooth)",
        route="/api/v1/image/fine-tunes",
        model="models.image.model:ImageModel",
        request=FineTuneRequest,
        result=FineTuneResult,
        deployment="image",
        deterministic=True,
        durable=True,
        needs="a checkpoint, and photos that are the caller's",
        example={
            "photos": [{"asset_id": f"{number:064x}"} for number in range(4)],
            "instance": "sks dog",
            "kind": "dog",
            "prior_pictures": 8,
        },
    ),
    Entry(
        name="image_adapters",
        title="Adapters for diffusion models: the installed ones and the caller's own",
        route="/api/v1/image/adapters",
        method="GET",
        model="models.image.model:ImageModel",
        request=AdaptersRequest,
        result=AdaptersResult,
        deployment="image",
        example={},
    ),
    Entry(
        name="image_geometry",
        title="Depth, normals, a relief and new light for a picture",
        route="/api/v1/image/geometry",
        model="models.image.model:ImageModel",
        request=GeometryRequest,
        result=GeometryResult,
        deployment="image",
        deterministic=True,
        needs="a checkpoint, and a picture that is the caller's",
        example={"image": {"asset_id": "0" * 64}, "outputs": ["depth", "relief"]},
    ),
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
    Entry(
        name="video",
        title="Text to video: a camera flies through the scene of a prompt, up to 8K",
        route="/api/v1/generate/video",
        model="models.video.model:VideoModel",
        request=VideoRequest,
        result=VideoResult,
        deterministic=True,
        durable=True,
        estimate=estimate_video,
        example={
            "scene": {"objects": [{"shape": "cube", "color": "#c03030"}]},
            "camera": {"preset": "orbit"},
            "engine": "path-trace",
            "width": 128,
            "height": 72,
            "fps": 8,
            "duration_s": 0.5,
            "seed": 7,
        },
        tables={
            "resolutions": Table(Resolution, resolutions),
            "engines": Table(EngineCard, engine_cards),
        },
    ),
    Entry(
        name="video_path",
        title="The path of a clip as keyframes and as a picture, and what the clip would take",
        route="/api/v1/video/path",
        deployment="video",
        model="models.video.model:VideoModel",
        request=PathRequest,
        result=PathResult,
        deterministic=True,
        example={
            "video": {
                "scene": {"objects": [{"shape": "cube", "color": "#c03030"}]},
                "camera": {"preset": "spiral"},
                "seed": 7,
            }
        },
    ),
    Entry(
        name="crypto",
        title="Crypto: calibrated odds of a price, its record and an honest baseline beside them",
        route="/api/v1/crypto/predict",
        model="models.crypto.model:CryptoModel",
        request=PredictRequest,
        result=PredictResult,
        holds=held_until_next_bar,
        example={"symbol": "BTC", "horizon_steps": 24},
    ),
    Entry(
        name="crypto_sentiment",
        deployment="crypto",
        method="GET",
        title="What people say of a coin, source by source",
        route="/api/v1/crypto/sentiment/{symbol}",
        model="models.crypto.model:CryptoModel",
        request=SentimentRequest,
        result=SentimentResult,
        example={"symbol": "BTC", "window_h": 24},
    ),
    Entry(
        name="crypto_risk",
        deployment="crypto",
        method="GET",
        title="Value at risk, expected shortfall and a grade, tested on the coin's own past",
        route="/api/v1/crypto/risk/{symbol}",
        model="models.crypto.model:CryptoModel",
        request=RiskRequest,
        result=RiskResult,
        example={"symbol": "ETH"},
    ),
    Entry(
        name="crypto_coins",
        deployment="crypto",
        method="GET",
        title="Coins that are known by name, and where candles come from",
        route="/api/v1/crypto/supported-coins",
        model="models.crypto.model:CryptoModel",
        request=CoinsRequest,
        result=CoinsResult,
        example={"search": "bitcoin"},
    ),
    Entry(
        name="crypto_scorecard",
        deployment="crypto",
        method="GET",
        title="The record: every forecast served, scored when its truth arrived",
        route="/api/v1/crypto/scorecard",
        model="models.crypto.model:CryptoModel",
        request=ScorecardRequest,
        result=ScorecardResult,
        example={"interval": "1h"},
    ),
    Entry(
        name="crypto_backtest",
        deployment="crypto",
        title="Walk-forward test of the crypto models on a coin's past",
        route="/api/v1/crypto/backtest",
        model="models.crypto.model:CryptoModel",
        request=BacktestRequest,
        result=BacktestResult,
        example={"symbol": "BTC", "models": ["har"], "origins": 50, "stride": 5, "horizons": 1},
    ),
)
