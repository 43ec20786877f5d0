"""The embedded classifier, and sources of texts over loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from models.core.capability import Run
from models.core.errors import ModelUnavailable
from models.crypto.options import CryptoOptions
from models.crypto.reports import SentimentRequest, SentimentResult
from models.crypto.sentiment.classifier import SentenceClassifier, TransformersClassifier
from models.crypto.sentiment.newsroom import open_desk

NOW_S = 1_780_000_000.0
FEED = """<rss><channel><item><title>Bitcoin climbs to a record as demand grows</title>
<link>https://news.example/a</link><pubDate>Thu, 28 May 2026 19:00:00 GMT</pubDate></item></channel></rss>"""
TOKEN = "of the loopback server"  # noqa: S105
POST = {"title": "I lost everything on this BTC scam", "selftext": "", "permalink": "/r/x/1"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the machine does, a source that answers is heard."""
    monkeypatch.setattr("models.crypto.sentiment.desk.PATIENCE_S", 60.0)


class Site:
    """Feeds, Reddit and the index; tests change how they behave."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def answer(self, path: str, given: str) -> tuple[int, str, dict[str, str]]:
        self.asked.append((path, given))
        child = {"data": {**POST, "created_utc": NOW_S - 600}}
        newest = {"value": "25", "value_classification": "Fear", "timestamp": str(NOW_S - 60)}
        answers: dict[str, tuple[int, Any, dict[str, str]]] = {
            "/moved": (308, "", {"Location": "/rss"}),
            "/away": (302, "", {"Location": "http://169.254.169.254/latest"}),
            "/rss": (200, FEED, {}),
            "/api/v1/access_token": (200, {"access_token": TOKEN, "expires_in": 3600}, {}),
            "/r": (200, {"data": {"children": [child]}}, {}),
            "/fng/": (200, {"data": [newest]}, {}),
        }
        needed = {"/api/v1/access_token": "Basic ", "/r": f"Bearer {TOKEN}"}
        known = "/r" if path.startswith("/r/") else path
        if not given.startswith(needed.get(known, "")):
            return 401, "{}", {}
        status, body, headers = answers.get(known, (404, "", {}))
        return status, body if isinstance(body, str) else json.dumps(body), headers


@contextmanager
def serving(site: Site) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            given = self.headers.get("Authorization", "")
            status, body, headers = site.answer(self.path, given)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(folder: Path, url: str, **more: Any) -> SentimentResult:
    given = {
        "feeds": {"paper": f"{url}/moved"},
        "fear_greed_url": f"{url}/fng/",
        "reddit_url": {"www": url, "oauth": url},
        "reddit_client_id": "app",
        "reddit_client_secret": "hush",
        **more,
    }
    desk = open_desk(CryptoOptions.model_validate(given), folder, lambda: NOW_S)
    try:
        return desk.ask(SentimentRequest(symbol="BTC"), Run())
    finally:
        desk.close()


def test_texts_of_all_sources_are_read_by_the_embedded_classifier(tmp_path: Path) -> None:
    site = Site()
    with serving(site) as url:
        answer = ask(tmp_path, url)
    scores = {each.source: each.score for each in answer.headlines}

    assert answer.n == 2
    assert scores["paper"] > 0.2
    assert scores["reddit"] < -0.2
    assert answer.market_mood is not None
    assert answer.market_mood.value == 25
    assert answer.classifier.startswith("sentences")
    assert answer.degraded == ()


def test_without_an_app_reddit_is_off_and_a_feed_that_leaves_its_site_is_not_followed(
    tmp_path: Path,
) -> None:
    site = Site()
    with serving(site) as url:
        answer = ask(
            tmp_path,
            url,
            feeds={"paper": f"{url}/away"},
            reddit_client_secret="",
            fear_greed_url="",
        )
    states = {each.source: each.state for each in answer.sources}

    assert states == {"paper": "failed", "reddit": "off"}
    assert answer.score is None
    assert [path for path, _ in site.asked] == ["/away"]


def test_the_shipped_classifier_tells_good_news_from_bad() -> None:
    model = SentenceClassifier.load()
    good, bad = model.score(
        [
            "Network upgrade succeeds and users are delighted",
            "Founder arrested, users lost millions",
        ]
    )

    assert good > 0.2
    assert bad < -0.2


def test_a_transformers_classifier_is_read_from_its_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, id2label={0: "Bearish", 1: "Neutral", 2: "Bullish"},
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    scores = TransformersClassifier(str(tmp_path)).score(["good", "bad bad"])

    assert len(scores) == 2
    assert all(-1 <= score <= 1 for score in scores)
    with pytest.raises(ModelUnavailable):
        TransformersClassifier(str(tmp_path / "absent"))
