"""The desk: collects texts, keeps them, picks those about a coin, and weighs them."""

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.core.capability import ModelCard, Run
from models.core.durable import write_atomically
from models.core.errors import CapabilityError, ModelUnavailable
from models.crypto.reports import (
    Headline,
    Mood,
    SentimentRequest,
    SentimentResult,
    SourceVoice,
)
from models.crypto.sentiment.classifier import (
    Classifier,
    SentenceClassifier,
    TransformersClassifier,
    WordLists,
)
from models.crypto.sentiment.linking import is_about
from models.crypto.sentiment.sources import FearGreed, TextSource
from models.crypto.sentiment.texts import Text, without_repeats

FRESH_S = 600.0
AGAIN_S = 120.0
PATIENCE_S = 3.0
POLL_S = 0.1
KEPT_S = 14 * 86_400.0
KEPT = 2000
SHOWN = 8
THIN, FAIR = 5, 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shelf:
    """What one source gave, and how asking it went."""

    texts: tuple[Text, ...] = ()
    fetched_at_s: float | None = None
    tried_at_s: float = -math.inf
    error: str | None = None


@dataclass
class _Kept:
    """State behind the desk's lock."""

    shelves: dict[str, Shelf] = field(default_factory=dict)
    flights: dict[str, Future[None]] = field(default_factory=dict)
    mood: tuple[int, str, float] | None = None
    scores: dict[str, float] = field(default_factory=dict)


class Desk:
    """Answers what people say of a coin; safe for threads.

    Args:
        sources: Of texts.
        index: Of the whole market's mood, if any.
        off: Sources that need a key which is absent, and which key.
        folder: Where texts outlast a restart.
        model: Name of a transformers classifier, instead of ours.
        clock: Unix seconds.
        classifier: Reads texts, instead of the one that is loaded with the first of them.
    """

    def __init__(
        self,
        sources: Sequence[TextSource],
        index: FearGreed | None,
        off: dict[str, str],
        folder: Path,
        model: str | None = None,
        clock: Callable[[], float] = time.time,
        classifier: Classifier | None = None,
    ) -> None:
        self._sources, self._index, self._off = sources, index, off
        self._path, self._model, self._clock = folder / "texts.json", model, clock
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._kept = _Kept(shelves=_read_shelves(self._path))
        self._classifier = classifier
        self._why_plain: str | None = None
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="crypto-texts")

    def ask(self, request: SentimentRequest, run: Run) -> SentimentResult:
        """The score of a coin, or that nothing was found.

        Raises:
            Cancelled: Nobody waits for the answer any more.
        """
        run.check()
        self._collect(run)
        now_s = self._clock()
        with self._lock:
            shelves = dict(self._kept.shelves)
            mood = self._kept.mood
        oldest_s = now_s - 3600 * request.window_h
        recent = {
            name: [text for text in shelf.texts if text.at_s >= oldest_s]
            for name, shelf in shelves.items()
        }
        about = [
            text
            for text in without_repeats(each for texts in recent.values() for each in texts)
            if is_about(text.content, request.symbol)
        ]
        run.check()
        scores = self._scores(about)
        voices = [
            self._voice(name, shelves.get(name, Shelf()), recent.get(name, []), about, scores)
            for name in sorted({*shelves, *(each.name for each in self._sources)})
        ]
        voices += [
            SourceVoice(source=name, state="off", error=why) for name, why in self._off.items()
        ]
        return _result(request, about, scores, voices, now_s, self._shown_mood(mood, now_s), self)

    @property
    def classifier_name(self) -> str:
        """Who read the texts."""
        return self._classifier.name if self._classifier else "none was needed"

    @property
    def degraded(self) -> tuple[str, ...]:
        """Why texts are read by word lists alone, if they are."""
        return (self._why_plain,) if self._why_plain else ()

    def card(self) -> ModelCard:
        """The classifier, loaded with the first text that is about a coin."""
        name = self._classifier.name if self._classifier else (self._model or "sentences")
        sha256 = getattr(self._classifier, "sha256", None)
        return ModelCard(
            name="sentiment", version=name, weights_sha256=sha256, reason=self._why_plain
        )

    def close(self) -> None:
        """Ask nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _collect(self, run: Run) -> None:
        """Ask every source whose texts are old, all at once; wait a little."""
        asked = [self._flight(source) for source in self._sources]
        if self._index is not None:
            asked.append(self._flight(None))
        flights = {each for each in asked if each is not None}
        end_s = time.monotonic() + PATIENCE_S
        while flights and time.monotonic() < end_s:
            run.check()
            flights = wait(flights, POLL_S).not_done

    def _flight(self, source: TextSource | None) -> Future[None] | None:
        name = source.name if source else "fear-greed"
        now_s = self._clock()
        with self._lock:
            shelf = self._kept.shelves.get(name, Shelf())
            wait_s = AGAIN_S if shelf.error else FRESH_S
            if name in self._kept.flights:
                return self._kept.flights[name]
            if now_s - shelf.tried_at_s < wait_s:
                return None
            flight = self._pool.submit(self._fetch, name, source)
            self._kept.flights[name] = flight
        flight.add_done_callback(lambda _: self._landed(name))
        return flight

    def _landed(self, name: str) -> None:
        with self._lock:
            self._kept.flights.pop(name, None)

    def _fetch(self, name: str, source: TextSource | None) -> None:
        now_s = self._clock()
        texts: list[Text] = []
        mood = None
        error: str | None = None
        try:
            if source is not None:
                texts = source.fetch(now_s)
            elif self._index is not None:
                mood = self._index.fetch()
        except CapabilityError as failure:
            error = failure.detail
        with self._lock:
            before = self._kept.shelves.get(name, Shelf())
            if error is not None:
                after = replace(before, tried_at_s=now_s, error=error)
            else:
                merged = {(text.link or text.title): text for text in (*before.texts, *texts)}
                kept = [text for text in merged.values() if text.at_s >= now_s - KEPT_S]
                after = Shelf(tuple(kept[-KEPT:]), now_s, now_s)
            self._kept.shelves[name] = after
            self._kept.mood = mood or self._kept.mood
            if error is None:
                _write_shelves(self._path, self._kept.shelves)

    def _scores(self, texts: Sequence[Text]) -> dict[str, float]:
        """Score by content; each text is read once."""
        with self._reading:
            known = self._kept.scores
            if len(known) > 10 * KEPT:
                known.clear()
            new = list(dict.fromkeys(each.content for each in texts if each.content not in known))
            if new:
                known |= dict(zip(new, self._reader().score(new), strict=True))
            return {each.content: known[each.content] for each in texts}

    def _reader(self) -> Classifier:
        if self._classifier is None:
            try:
                self._classifier = (
                    TransformersClassifier(self._model)
                    if self._model
                    else SentenceClassifier.load()
                )
            except ModelUnavailable as error:
                self._why_plain = f"texts are read by word lists alone: {error.detail}"
                logger.warning("sentiment is degraded", extra={"problem": error.detail})
                self._classifier = WordLists()
        return self._classifier

    def _voice(
        self,
        name: str,
        shelf: Shelf,
        recent: Sequence[Text],
        about: Sequence[Text],
        scores: dict[str, float],
    ) -> SourceVoice:
        now_s = self._clock()
        mine = [text for text in about if text.source == name]
        values = [scores[text.content] for text in mine]
        fresh = shelf.error is None and shelf.fetched_at_s is not None
        state = "fresh" if fresh else "cached" if shelf.texts else "failed"
        error = shelf.error or (None if fresh else "no answer yet")
        newest_s = max((text.at_s for text in recent), default=None)
        return SourceVoice(
            source=name,
            state=state,
            texts=len(recent),
            linked=len(mine),
            score=round(sum(values) / len(values), 4) if values else None,
            newest_age_h=None if newest_s is None else round((now_s - newest_s) / 3600, 2),
            fetched_age_s=(
                None if shelf.fetched_at_s is None else round(now_s - shelf.fetched_at_s, 1)
            ),
            error=error,
        )

    def _shown_mood(self, mood: tuple[int, str, float] | None, now_s: float) -> Mood | None:
        if mood is None:
            return None
        value, label, at_s = mood
        return Mood(value=value, label=label, age_h=round((now_s - at_s) / 3600, 2))


def _result(
    request: SentimentRequest,
    about: Sequence[Text],
    scores: dict[str, float],
    voices: Sequence[SourceVoice],
    now_s: float,
    mood: Mood | None,
    desk: Desk,
) -> SentimentResult:
    ages_h = [max(0.0, now_s - text.at_s) / 3600 for text in about]
    weights = [0.5 ** (age_h / request.half_life_h) for age_h in ages_h]
    values = [scores[text.content] for text in about]
    total = sum(weights)
    mean, error, effective_n = None, None, 0.0
    if total > 0:
        mean = sum(w * v for w, v in zip(weights, values, strict=True)) / total
        effective_n = total**2 / sum(w * w for w in weights)
        if effective_n > 1.5:
            spread = sum(w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True)) / total
            error = math.sqrt(spread / (effective_n - 1))
    order = sorted(range(len(about)), key=lambda place: -weights[place])[:SHOWN]
    heads = tuple(
        Headline(
            source=about[place].source,
            title=about[place].title,
            link=about[place].link,
            age_h=round(ages_h[place], 2),
            score=round(values[place], 4),
            weight=round(weights[place] / total, 4),
        )
        for place in order
    )
    degraded = list(desk.degraded)
    silent = [each.source for each in voices if each.state in ("failed", "cached")]
    if silent:
        degraded.append(f"no fresh texts from {', '.join(silent)}")
    if not about:
        degraded.append(f"nothing was found about {request.symbol}: that is not a neutral score")
    return SentimentResult(
        symbol=request.symbol,
        score=None if mean is None else round(mean, 4),
        standard_error=None if error is None else round(error, 4),
        n=len(about),
        effective_n=round(effective_n, 2),
        coverage=_coverage(len(about)),
        classifier=desk.classifier_name,
        market_mood=mood,
        sources=tuple(voices),
        headlines=heads,
        degraded=tuple(degraded),
    )


def _coverage(count: int) -> str:
    return "none" if not count else "thin" if count < THIN else "fair" if count < FAIR else "good"


def _read_shelves(path: Path) -> dict[str, Shelf]:
    try:
        content = json.loads(path.read_bytes())
        return {
            name: Shelf(
                tuple(Text(**each) for each in shelf["texts"]),
                shelf["fetched_at_s"],
                error="not asked since the start",
            )
            for name, shelf in content.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        logger.warning("kept texts cannot be read and are collected anew")
        return {}


def _write_shelves(path: Path, shelves: dict[str, Shelf]) -> None:
    content = {
        name: {
            "texts": [each.as_json() for each in shelf.texts],
            "fetched_at_s": shelf.fetched_at_s,
        }
        for name, shelf in shelves.items()
        if shelf.texts
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(content).encode())
    except OSError as error:
        logger.warning("texts are not kept", extra={"problem": str(error)})
