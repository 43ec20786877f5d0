"""A clip filmed by several replicas: the same bytes, in order, whatever becomes of the helpers."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from models.core.capability import ALONE, Peers, Run
from models.core.errors import Cancelled, CapacityExceeded, UnknownAsset, UpstreamUnavailable
from models.core.local_store import LocalArtifactStore
from models.media.canvas import Band
from models.media.codecs import choose_encoder
from models.media.reel import Reel, Shot
from models.media.size import Size
from models.video import crew
from models.video.board import GRACE_S, MAX_LOSSES, QUEUED_S, Board
from models.video.crew import Crew, helpers_for
from models.video.parcels import Parcels, owner_of
from models.video.ranges import Courier, RangeRequest, RangeResult, cache_id
from models.video.schema import VideoRequest

SIZE = Size(64, 64)
FRAMES = 12
CLIP = "a" * 64
SHOT = Shot(choose_encoder("h264", SIZE), SIZE, SIZE, Fraction(4), FRAMES)
"""Segments of 1, 2, 4, 4 and 1 frames."""
ORDER = RangeRequest(clip=CLIP, number=0, video=VideoRequest(prompt="x"), seed=0, cache="here")


def paint(number: int) -> Iterator[Band]:
    yield np.full((64, 64, 3), 20 * number, np.uint8)


@dataclass
class Helpers:
    """`Peers` on another machine: a reel of their own, and the store that both see.

    Attributes:
        folder: Of their reel.
        store: Where they bring what they made.
        before: Called with every request before it is filmed.
    """

    folder: Path
    store: LocalArtifactStore
    before: Callable[[RangeRequest, Run], None] = lambda _request, _run: None
    most: int = 2
    filmed: list[int] = field(default_factory=list)

    def ask(self, request: BaseModel, run: Run) -> BaseModel:
        assert isinstance(request, RangeRequest)
        self.before(request, run)
        run.progress(0.0, "range")
        reel = Reel(self.folder, SHOT)
        reel.film(request.number, paint)
        self.filmed.append(request.number)
        parcels = Parcels(self.store, self.folder / CLIP)
        parts = (parcels.send(path) for path in (reel.init, reel.segment(request.number)))
        return RangeResult(by="other", init=next(parts), media=next(parts))


@dataclass
class Film:
    """What came of a film.

    Attributes:
        content: All its bytes.
        order: Segments as they were published.
        told: Frames that were told to be done.
        here: Frames that the leader painted.
    """

    content: bytes
    order: list[int]
    told: list[int]
    here: list[int]


def film(
    folder: Path,
    store: LocalArtifactStore,
    peers: Peers = ALONE,
    on_frame: Callable[[int], None] = lambda _number: None,
    cancelled: Callable[[], bool] = lambda: False,
    queued_s: float = QUEUED_S,
) -> Film:
    reel = Reel(folder, SHOT)
    made = Film(b"", [], [], [])
    run = Run(peers=peers, cancelled=cancelled)

    def source(number: int) -> Iterator[Band]:
        run.check()
        on_frame(number)
        made.here.append(number)
        yield from paint(number)

    courier = Courier(Parcels(store, folder / CLIP), reel, ORDER, ())
    told = made.told.append
    Crew(reel, run, peers.most, courier, told, grace_s=0.05, queued_s=queued_s).shoot(
        source, made.order.append
    )
    made.content = b"".join(reel.chunks())
    return made


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)


def test_helpers_film_the_same_bytes_and_leave_nothing_in_the_store(
    tmp_path: Path, store: LocalArtifactStore
) -> None:
    alone = film(tmp_path / "alone", store)
    helpers = Helpers(tmp_path / "others", store)
    helped = threading.Event()

    def filmed_elsewhere(request: RangeRequest, run: Run) -> None:
        run.progress(0.0, "range")  # from now on it is the helper's
        if request.number > 1:
            helped.set()

    helpers.before = filmed_elsewhere
    shared = film(tmp_path / "shared", store, helpers, lambda _number: assert_set(helped))

    assert shared.content == alone.content
    assert shared.order == alone.order == [0, 1, 2, 3, 4]
    assert helpers.filmed
    assert len(shared.here) < FRAMES
    assert shared.told == sorted(shared.told)
    assert shared.told[-1] == alone.told[-1] == FRAMES
    assert not list((tmp_path / "assets" / "owners").rglob("*.json"))


def assert_set(event: threading.Event) -> None:
    assert event.wait(30)


def test_the_leader_films_what_helpers_die_of(tmp_path: Path, store: LocalArtifactStore) -> None:
    asked: list[int] = []
    enough = threading.Event()

    def dies(request: RangeRequest, run: Run) -> None:
        asked.append(request.number)
        run.progress(0.5, "range")
        if len(asked) >= 2:
            enough.set()
        raise UpstreamUnavailable("killed")

    helpers = Helpers(tmp_path / "others", store, dies)
    made = film(tmp_path / "reel", store, helpers, lambda _number: assert_set(enough))

    assert made.content == film(tmp_path / "alone", store).content
    assert sorted(made.here) == list(range(FRAMES))
    assert max(asked.count(number) for number in asked) <= MAX_LOSSES


def test_nobody_waits_for_a_helper_that_does_not_begin(
    tmp_path: Path, store: LocalArtifactStore
) -> None:
    def waits(_request: RangeRequest, run: Run) -> None:
        while not run.cancelled():
            threading.Event().wait(0.01)
        raise Cancelled("taken back")

    made = film(tmp_path / "reel", store, Helpers(tmp_path / "others", store, waits, most=1))

    assert made.order == [0, 1, 2, 3, 4]
    assert sorted(made.here) == list(range(FRAMES))


def test_who_cannot_begin_leaves_the_queue_to_others_and_asks_again(
    tmp_path: Path, store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PAUSE_S", 0.01)
    left: list[int] = []
    again = threading.Event()

    def busy_at_first(request: RangeRequest, run: Run) -> None:
        if len(left) < 2:
            while not run.cancelled():
                threading.Event().wait(0.01)
            left.append(request.number)
            raise Cancelled("it left the queue")
        run.progress(0.0, "range")
        again.set()

    helpers = Helpers(tmp_path / "others", store, busy_at_first, most=1)
    made = film(tmp_path / "reel", store, helpers, lambda _n: assert_set(again), queued_s=0.02)

    assert left == [1, 1]  # while the leader had enough to do
    assert 1 in helpers.filmed
    assert made.order == [0, 1, 2, 3, 4]


def test_cancelling_reaches_the_helpers(tmp_path: Path, store: LocalArtifactStore) -> None:
    left, stopped = threading.Event(), threading.Event()

    def works(_request: RangeRequest, run: Run) -> None:
        run.progress(0.1, "range")
        left.set()
        while not run.cancelled():
            threading.Event().wait(0.01)
        stopped.set()
        raise Cancelled("the caller left")

    helpers = Helpers(tmp_path / "others", store, works, most=1)
    with pytest.raises(Cancelled):
        film(tmp_path / "reel", store, helpers, lambda _n: assert_set(left), left.is_set)

    assert stopped.is_set()


def test_full_queues_are_asked_again(tmp_path: Path, store: LocalArtifactStore) -> None:
    asked: list[int] = []
    again = threading.Event()

    def full_at_first(request: RangeRequest, _run: Run) -> None:
        asked.append(request.number)
        if len(asked) == 1:
            raise CapacityExceeded("full", 0.01)
        again.set()

    helpers = Helpers(tmp_path / "others", store, full_at_first, most=1)
    film(tmp_path / "reel", store, helpers, lambda _number: assert_set(again))

    assert helpers.filmed


def test_segments_that_are_there_are_neither_filmed_nor_asked_for(
    tmp_path: Path, store: LocalArtifactStore
) -> None:
    whole = film(tmp_path / "reel", store)
    for number in (1, 3):
        Reel(tmp_path / "reel", SHOT).segment(number).unlink()
    again = film(tmp_path / "reel", store)

    assert again.content == whole.content
    assert again.here == [1, 2, 7, 8, 9, 10]
    assert again.order == [1, 2, 3, 4]


def test_a_segment_belongs_to_whoever_began_it() -> None:
    now = [0.0]
    board = Board([range(2), range(2, 4)], (), lambda _done: None, lambda: now[0])
    claim, other = board.claim(), board.claim()
    assert claim is not None
    assert other is not None
    board.advance(other, 0.5)

    assert board.take() is None  # the first peer may still begin
    now[0] = GRACE_S
    assert board.take() == 0
    assert claim.withdrawn
    assert board.take() == 0  # the second is under way, however long it takes
    board.close(0)
    assert board.take() is None


def test_what_a_dead_helper_had_done_is_not_counted_twice() -> None:
    told: list[int] = []
    board = Board([range(4), range(4, 8)], (), told.append)
    claim = board.claim()
    assert claim is not None
    board.advance(claim, 0.75)
    board.release(claim, lost=True)
    for share in (0.25, 0.5, 0.75, 1.0):
        board.paint(0, share)
    board.close(0)

    assert told == [3, 4]


def test_as_many_help_as_there_are_and_as_are_wished() -> None:
    crowd = Run(peers=Helpers(Path(), None, most=5))  # type: ignore[arg-type]  # not asked

    assert helpers_for(Run(), None, 100, 1e6) == 0
    assert helpers_for(crowd, None, 100, 1e6) == 5
    assert helpers_for(crowd, None, 100, 1.0) == 0  # sooner done alone
    assert helpers_for(crowd, 3, 100, 1.0) == 2
    assert helpers_for(crowd, 1, 100, 1e6) == 0
    assert helpers_for(crowd, None, 3, 1e6) == 2


def test_a_cache_has_one_name(tmp_path: Path) -> None:
    names = {cache_id(tmp_path / "a"), cache_id(tmp_path / "a"), cache_id(tmp_path / "b")}

    assert len(names) == 2


def test_a_field_travels_once_and_is_forgotten(tmp_path: Path, store: LocalArtifactStore) -> None:
    kept = tmp_path / "field.safetensors"
    kept.write_bytes(b"field")
    order = ORDER.model_copy(update={"field": CLIP, "field_files": {kept.name: None}})
    parcels = Parcels(store, tmp_path / CLIP)
    courier = Courier(parcels, Reel(tmp_path / "reel", SHOT), order, (kept,))
    courier.share_field()
    courier.share_field()
    asset_id = courier.order(3).field_files[kept.name]
    assert asset_id is not None

    assert b"".join(store.read(asset_id, owner_of(CLIP))) == b"field"
    courier.forget()
    with pytest.raises(UnknownAsset):
        store.stat(asset_id, owner_of(CLIP))
