"""Ranges of a clip that another replica leads."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.core.capability import Run, Setup
from models.core.errors import Cancelled, Conflict
from models.core.local_store import LocalArtifactStore
from models.image.schema import Scene, SceneObject
from models.image.styles import style_named
from models.media.codecs import choose_encoder
from models.video.assistant import FIELD_FILES, Assistant
from models.video.backend import Floats, Lens
from models.video.filming import source_of
from models.video.flight import Moment
from models.video.parcels import Parcels
from models.video.ranges import Courier, RangeRequest, cache_id
from models.video.schema import Output, VideoRequest, Views
from models.video.setting import Setting, set_up
from models.video.shooting import clip_name, depth_range, reel_of
from models.video.studio import FIELDS, SCENE_FILE, Studio, VideoOptions, path_of

SCENE = Scene(objects=(SceneObject(shape="cube", color="#c03030"),))
CLIP = VideoRequest(scene=SCENE, engine="path-trace", width=64, height=64, fps=4, duration_s=1)
OWNER = "acme"


class Fog:
    """A `Footage` as bright as the camera is far to the right."""

    linear = False
    views: Views | None = None
    held_out_psnr_db: float | None = None
    degraded: tuple[str, ...] = ()
    kept: tuple[Path, ...] = ()

    def bands(self, moment: Moment, lens: Lens, output: Output, run: Run) -> Iterator[Floats]:
        value = np.float32(0.5 + 0.1 * moment.pose[0, 3])
        yield np.full((lens.size.height, lens.size.width, 3), value, np.float32)


class FoggyStudio(Studio):
    """Prepares fog instead of engines."""

    def footage(self, *_all: object) -> Fog:
        return Fog()


def replica(root: Path, name: str) -> tuple[Assistant, Studio, Setup]:
    cache = root / name
    (cache / "clips").mkdir(parents=True)
    store = LocalArtifactStore(root / "assets", min_free_bytes=0)
    setup = Setup(store=store, device="cpu", cache_dir=cache, data_dir=root)
    studio = FoggyStudio(setup, VideoOptions())
    return Assistant(setup, studio, cache / "clips", lambda: False), studio, setup


def order(cache: str, clip: VideoRequest = CLIP) -> RangeRequest:
    encoder = choose_encoder(clip.codec, clip.size)
    name = clip_name(clip, 7, encoder, OWNER)
    return RangeRequest(clip=name, number=1, video=clip, seed=7, scene=SCENE, cache=cache)


def setting_in(folder: Path) -> Setting:
    return set_up(SCENE, style_named("photo"), CLIP.size, 7, folder)


def test_a_range_is_what_its_leader_would_film(tmp_path: Path) -> None:
    helper, _, setup = replica(tmp_path, "helper")
    progress: list[float] = []
    run = Run(OWNER, progress=lambda share, _stage: progress.append(share))
    asked = order("elsewhere")
    answer = helper.film(asked, run)

    encoder = choose_encoder(CLIP.codec, CLIP.size)
    own, taken = (
        reel_of(CLIP, "path-trace", encoder, tmp_path / name) for name in ("own", "taken")
    )
    place = setting_in(tmp_path / "own")
    own.film(1, source_of(
        Fog(), path_of(CLIP, place), CLIP.size, "rgb", depth_range(place), Run(), lambda _n: None
    ))  # fmt: skip
    courier = Courier(Parcels(setup.store, tmp_path / asked.clip), taken, asked, ())
    courier.fetch(1, answer)
    courier.forget()

    assert taken.segment(1).read_bytes() == own.segment(1).read_bytes()
    assert taken.init.read_bytes() == own.init.read_bytes()
    assert progress == [0.0, 0.5, 1.0]
    assert not list((tmp_path / "assets" / "owners").rglob("*.json"))


def test_nothing_travels_within_a_cache(tmp_path: Path) -> None:
    helper, _, setup = replica(tmp_path, "helper")
    clips = setup.cache_dir / "clips"
    asked = order(cache_id(clips))
    answer = helper.film(asked, Run(OWNER))

    assert (answer.init, answer.media) == (None, None)
    assert (clips / asked.clip / "reel" / "00001.m4s").exists()
    assert (clips / asked.clip / SCENE_FILE).exists()
    assert not list((tmp_path / "assets" / "blobs").rglob("*.*"))


def test_a_field_is_asked_for_where_it_is_missing(tmp_path: Path) -> None:
    helper, _, setup = replica(tmp_path, "helper")
    sent = {}
    for name in FIELD_FILES:
        (tmp_path / name).write_bytes(name.encode())
        sent[name] = None
    asked = order("elsewhere").model_copy(update={"field": "b" * 64, "field_files": sent})
    reel = reel_of(CLIP, "path-trace", choose_encoder("h264", CLIP.size), tmp_path / "reel")
    parcels = Parcels(setup.store, tmp_path / asked.clip)
    courier = Courier(parcels, reel, asked, tuple(tmp_path / name for name in sent))

    assert helper.film(courier.order(1), Run(OWNER)).lacks_field
    courier.share_field()
    assert not helper.film(courier.order(1), Run(OWNER)).lacks_field
    for name in FIELD_FILES:
        assert (setup.cache_dir / FIELDS / ("b" * 64) / name).read_bytes() == name.encode()


def test_another_owner_or_encoder_is_refused(tmp_path: Path) -> None:
    helper, _, _ = replica(tmp_path, "helper")
    other = order("elsewhere", CLIP.model_copy(update={"codec": "hevc"}))

    with pytest.raises(Conflict):
        helper.film(order("elsewhere"), Run("eve"))
    with pytest.raises(Conflict):
        helper.film(other.model_copy(update={"video": CLIP}), Run(OWNER))


def test_what_is_not_needed_any_more_is_not_filmed(tmp_path: Path) -> None:
    helper, _, setup = replica(tmp_path, "helper")
    with pytest.raises(Cancelled):
        helper.film(order("elsewhere"), Run(OWNER, cancelled=lambda: True))

    assert not list((setup.cache_dir / "clips").glob("*/reel"))


def test_a_range_stops_within_a_frame_of_the_wish(tmp_path: Path) -> None:
    helper, _, setup = replica(tmp_path, "helper")
    told: list[float] = []
    run = Run(OWNER, "-", lambda: len(told) > 1, lambda share, _stage: told.append(share))
    with pytest.raises(Cancelled):
        helper.film(order("elsewhere"), run)

    assert told == [0.0, 0.5]
    assert not list((setup.cache_dir / "clips").rglob("*.m4s"))


def test_how_a_clip_is_filmed_does_not_name_it() -> None:
    more = CLIP.model_copy(update={"parallel": 3, "proxy": "always"})

    assert order("x", more).clip == order("x").clip
    assert order("x", CLIP.model_copy(update={"fps": 5})).clip != order("x").clip
