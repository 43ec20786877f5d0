"""The small film that is made first, and what players see of it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from models.core.artifacts import ASSET_ROUTE
from models.core.capability import Run
from models.core.errors import Cancelled
from models.core.local_store import LocalArtifactStore
from models.image.schema import Scene, SceneObject
from models.image.styles import style_named
from models.media.codecs import choose_encoder
from models.media.playlist import PROXY, note_in, noted, playlist
from models.media.reel import Reel, Shot, cuts
from models.video.backend import Floats, Lens
from models.video.cost import proxy_of
from models.video.flight import Moment
from models.video.path import MAX_DURATION_S
from models.video.proxy import Kept, film_proxy
from models.video.release import Shelf, Stream, provenance_of
from models.video.schema import MAX_FRAMES, Output, VideoRequest, Views
from models.video.setting import set_up
from models.video.studio import path_of
from models.workflow.progress import MAX_INLINE_BYTES

SCENE = Scene(objects=(SceneObject(shape="cube", color="#c03030"),))
CLIP = VideoRequest(
    scene=SCENE, engine="path-trace", width=64, height=64, fps=4, duration_s=1, proxy="always"
)


class Fog:
    """A `Footage` that is grey; stops after some frames."""

    linear = False
    views: Views | None = None
    held_out_psnr_db: float | None = None
    degraded: tuple[str, ...] = ()
    kept: tuple[Path, ...] = ()

    def __init__(self, frames: int = 100) -> None:
        self._left = frames

    def bands(self, moment: Moment, lens: Lens, output: Output, run: Run) -> Iterator[Floats]:
        if self._left == 0:
            raise Cancelled("the caller left")
        self._left -= 1
        yield np.full((lens.size.height, lens.size.width, 3), 0.5, np.float32)


def made(
    root: Path, shown: list[str], told: list[float], fog: Fog | None = None, *, quiet: bool = False
) -> Kept:
    place = set_up(SCENE, style_named("photo"), CLIP.size, 7, root / "clip")
    run = Run(preview=lambda content, _type: shown.append(content.decode()))
    store = LocalArtifactStore(root / "assets", min_free_bytes=0)
    shelf = Shelf(store, run, provenance_of(CLIP, "path-trace", 7))
    proxy = proxy_of(CLIP)
    assert proxy is not None
    path = path_of(CLIP, place)
    return film_proxy(proxy, path, place, fog or Fog(), "rgb", shelf, told.append, shown=not quiet)


def test_another_attempt_goes_on_with_the_small_film(tmp_path: Path) -> None:
    whole, shown, told = made(tmp_path / "whole", [], []), list[str](), list[float]()
    with pytest.raises(Cancelled):
        made(tmp_path / "killed", shown, told, Fog(2))
    begun = len(shown)
    again = made(tmp_path / "killed", shown, told)

    assert again.video.id == whole.video.id
    assert again.note == f"{PROXY} {again.playlist.url if again.playlist else None}"
    assert begun == 1
    assert [text.count("#EXTINF") for text in shown] == [1, 1, 2, 3]
    assert {note_in(text) for text in shown} == {PROXY}
    assert told == [0.25, 0.5, 0.5, 0.75, 1.0]


def test_players_of_the_whole_film_are_not_sent_back_to_the_small_one(tmp_path: Path) -> None:
    shown: list[str] = []
    first = made(tmp_path, [], [])
    again = made(tmp_path, shown, [], Fog(0), quiet=True)

    assert shown == []
    assert (again.video.id, again.playlist) == (first.video.id, first.playlist)


def test_each_segment_is_listed_once_whoever_closed_it(tmp_path: Path) -> None:
    shot = Shot(choose_encoder("h264", CLIP.size), CLIP.size, CLIP.size, Fraction(4), 8)
    reel, shown = Reel(tmp_path / "reel", shot), list[str]()
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    run = Run(preview=lambda content, _type: shown.append(content.decode()))
    stream = Stream(reel, Shelf(store, run, provenance_of(CLIP, "path-trace", 7)), "h264")
    stream.catch_up()
    for _ in reel.shoot(lambda number: iter([np.full((64, 64, 3), 9 * number, np.uint8)])):
        pass
    stream.add(1)
    stream.add(0)
    stream.add(reel.segments - 1)
    whole = [store.stat(line[-64:], run.owner).asset.filename for line in shown[-1].splitlines()
             if line.startswith(ASSET_ROUTE)]  # fmt: skip

    assert [text.count("#EXTINF") for text in shown] == [2, 2, reel.segments]
    assert whole == [f"{number:05d}.m4s" for number in range(reel.segments)]
    assert shown[-1].endswith("#EXT-X-ENDLIST\n")


def test_the_playlist_of_the_longest_film_fits_into_its_event() -> None:
    rates = [Fraction(rate, 100) for rate in range(100, 12001, 7)]
    most = max(len(cuts(min(MAX_FRAMES, int(MAX_DURATION_S * rate)), rate)) - 1 for rate in rates)
    name = f"{ASSET_ROUTE}{'0' * 64}"
    text = playlist(name, [(name, Fraction(1001, 1000))] * most, Fraction(1), ended=True)

    assert len(noted(text, f"{PROXY} {name}")) <= MAX_INLINE_BYTES  # else its note is out of sight
