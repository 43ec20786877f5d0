import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.core.capability import Run
from models.core.errors import UpstreamUnavailable
from models.crypto.reports import SentimentRequest, SentimentResult
from models.crypto.sentiment.classifier import WordLists
from models.crypto.sentiment.desk import FRESH_S, Desk
from models.crypto.sentiment.feeds import parse_feed
from models.crypto.sentiment.linking import is_about
from models.crypto.sentiment.texts import Text, without_repeats

NOW_S = 1_780_000_000.0
RSS = b"""<?xml version="1.0"?><rss xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>News</title>
<item><title>Bitcoin &amp; friends climb</title><link>https://news.example/a?utm=1</link>
<description><![CDATA[<p>Up <b>ten</b> percent</p>]]></description>
<pubDate>Thu, 28 May 2026 19:00:00 GMT</pubDate></item>
<item><title>No date</title></item>
<item><title>From tomorrow</title><dc:date>2026-05-30T00:00:00Z</dc:date></item>
</channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>Listing of SOL</title>
<link rel="alternate" href="https://news.example/b"/><link rel="self" href="https://news.example/x"/>
<updated>2026-05-28T18:00:00+00:00</updated></entry></feed>"""


class Paper:
    """A source whose texts the test writes."""

    def __init__(self, name: str, texts: Sequence[tuple[str, float]]) -> None:
        self.name, self.asked = name, 0
        self.texts = list(texts)
        self.down = False

    def fetch(self, now_s: float) -> list[Text]:
        self.asked += 1
        if self.down:
            raise UpstreamUnavailable(f"{self.name} is down")
        return [
            Text(self.name, title, "", f"https://{self.name}/{title}", now_s - 3600 * age_h)
            for title, age_h in self.texts
        ]


def ask(desk: Desk, symbol: str = "BTC", **more: Any) -> SentimentResult:
    return desk.ask(SentimentRequest(symbol=symbol, **more), Run())


def open_desk(folder: Path, *papers: Paper, clock: Any = lambda: NOW_S) -> Desk:
    return Desk(papers, None, {}, folder, clock=clock, classifier=WordLists())


def test_feeds_of_both_kinds_give_titles_links_and_times() -> None:
    (news,) = parse_feed(RSS, "news", NOW_S)
    (entry,) = parse_feed(ATOM, "blog", NOW_S)

    assert news.title == "Bitcoin & friends climb"
    assert news.body == "Up ten percent"
    assert news.link == "https://news.example/a"
    assert NOW_S - 7200 < news.at_s < NOW_S
    assert (entry.title, entry.link) == ("Listing of SOL", "https://news.example/b")


@pytest.mark.parametrize(
    "bomb",
    [
        b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><rss><item><title>&b;</title></item></rss>',
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><rss><item><title>&f;</title></item></rss>',
        b'<!DOCTYPE rss SYSTEM "http://127.0.0.1/x.dtd"><rss/>',
    ],
)
def test_documents_with_a_type_are_refused(bomb: bytes) -> None:
    with pytest.raises(UpstreamUnavailable, match="document type"):
        parse_feed(bomb, "evil", NOW_S)


@pytest.mark.parametrize("content", [b"<html><p>", b"", b"\xff\xfe\x00", b"{}"])
def test_what_is_no_feed_is_refused(content: bytes) -> None:
    with pytest.raises(UpstreamUnavailable):
        parse_feed(content, "odd", NOW_S)


@pytest.mark.parametrize(
    ("text", "symbol", "about"),
    [
        ("Loading up on $btc today", "BTC", True),
        ("bitcoin slides", "BTC", True),
        ("BTC slides", "BTC", True),
        ("Bitcoin Cash forks", "ETH", False),
        ("$BTCUSD", "BTC", False),
        ("wBTC is minted", "BTC", False),
        ("The data flow of banks", "FLOW", False),
        ("Builders choose Flow for games", "FLOW", True),
        ("BUY NOW SOL AND UNI BEFORE IT IS GONE", "SOL", False),
        ("Solana is back", "SOL", True),
        ("$ONE day", "ONE", True),
    ],
)
def test_coins_are_recognised_by_tag_symbol_and_name(text: str, symbol: str, about: bool) -> None:
    assert is_about(text, symbol) is about


def test_repeats_count_once_and_the_first_to_say_it_stays() -> None:
    first = Text("a", "Exchange hacked, 90 million dollars of Ether are gone", "", None, 10.0)
    again = Text("b", "Exchange hacked: 90 million dollars of ether are gone", "", None, 20.0)
    other = Text("b", "Ether climbs to a record", "", None, 15.0)

    assert without_repeats([again, other, first]) == [other, first]


def test_nothing_found_is_not_neutral(tmp_path: Path) -> None:
    answer = ask(open_desk(tmp_path, Paper("news", [("Ether climbs", 1.0)])))

    assert answer.score is None
    assert answer.coverage == "none"
    assert "not a neutral" in answer.degraded[-1]
    assert answer.sources[0].texts == 1


def test_what_is_newer_counts_more(tmp_path: Path) -> None:
    good, bad = "Bitcoin soars, great gains", "Bitcoin crashes, terrible fraud"
    hopeful = ask(open_desk(tmp_path / "a", Paper("news", [(good, 1.0), (bad, 36.0)])))
    gloomy = ask(open_desk(tmp_path / "b", Paper("news", [(good, 36.0), (bad, 1.0)])))

    assert hopeful.score is not None
    assert gloomy.score is not None
    assert hopeful.score > 0.3
    assert gloomy.score < -0.3
    assert hopeful.headlines[0].title == good
    assert sum(each.weight for each in hopeful.headlines) == pytest.approx(1, abs=1e-3)


def test_one_source_that_fails_is_told_and_the_others_count(tmp_path: Path) -> None:
    down = Paper("down", [])
    down.down = True
    answer = ask(open_desk(tmp_path, down, Paper("news", [("Bitcoin wins praise", 1.0)])))
    states = {each.source: (each.state, each.error) for each in answer.sources}

    assert answer.n == 1
    assert states["down"] == ("failed", "down is down")
    assert states["news"] == ("fresh", None)
    assert "no fresh texts from down" in answer.degraded


def test_sources_are_asked_again_only_after_a_while_and_texts_outlast_a_restart(
    tmp_path: Path,
) -> None:
    now = [NOW_S]
    paper = Paper("news", [("Bitcoin wins praise", 1.0)])
    desk = open_desk(tmp_path, paper, clock=lambda: now[0])
    ask(desk)
    ask(desk, "ETH")
    asked_at_first = paper.asked
    now[0] += FRESH_S + 1
    ask(desk)
    asked_later = paper.asked
    paper.down = True
    restarted = ask(open_desk(tmp_path, paper, clock=lambda: now[0]))

    assert (asked_at_first, asked_later) == (1, 2)
    assert restarted.n == 1
    assert restarted.sources[0].state == "cached"


def test_a_slow_source_does_not_hold_the_answer_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    class Slow(Paper):
        def fetch(self, now_s: float) -> list[Text]:
            answered.wait(60)
            return super().fetch(now_s)

    desk = open_desk(tmp_path, Slow("slow", []), Paper("news", [("Bitcoin wins praise", 1.0)]))
    # Patience ends when the other source has answered, however long that takes here.
    waited = SimpleNamespace(monotonic=lambda: 1e9 if "news" in desk._kept.shelves else 0.0)
    monkeypatch.setattr("models.crypto.sentiment.desk.time", waited)
    answer = ask(desk)
    answered.set()

    assert answer.n == 1
    said = {each.source: each.error for each in answer.sources}
    assert said == {"news": None, "slow": "no answer yet"}
