"""Films of a picture with depth, by the capability itself."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from models.core.artifacts import Provenance
from models.core.capability import Run, Setup
from models.core.errors import Cancelled, InvalidInput, ModelUnavailable
from models.core.local_store import LocalArtifactStore
from models.media.codecs import choose_encoder
from models.media.facts import read_back
from models.video.layers.estimator import Estimator
from models.video.layers.reach import LIMIT
from models.video.model import VideoModel
from models.video.ranges import RangeRequest, cache_id
from models.video.schema import PathRequest, PathResult, VideoRequest, VideoResult
from models.video.shooting import clip_name, reel_of
from tests.training.layered import HIGH, TANGENTS, WIDE, box_before_wall, waves

pytestmark = pytest.mark.timeout(600)  # compiles, where nobody has before


def checkpoint(folder: Path, kind: str) -> Path:
    """A tiny Depth Anything with weights drawn at random."""
    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], apply_layernorm=True,
        reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16,
        reassemble_factors=[4, 2, 1, 0.5], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
        head_hidden_size=8, depth_estimation_type=kind, max_depth=20,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"size": {"height": 56, "width": 56}}')
    return folder


def test_an_estimator_tells_nearness_or_metres(tmp_path: Path) -> None:
    relative = Estimator(checkpoint(tmp_path / "tiny-relative", "relative"), "cpu")
    metric = Estimator(checkpoint(tmp_path / "tiny-metric", "metric"), "cpu")
    near, metres = (one.estimate(waves(), lambda: None) for one in (relative, metric))

    assert near.shape == metres.shape == (56, 98)
    assert (float(near.min()), float(near.max())) == (0.0, 1.0)
    assert (relative.metric, metric.metric) == (False, True)
    assert 0 < metres.min() <= metres.max() <= 20
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        Estimator(tmp_path / "nothing", "cpu")


def model_in(root: Path, options: dict[str, Any] | None = None) -> VideoModel:
    root.mkdir(parents=True, exist_ok=True)
    store = LocalArtifactStore(root / "assets", min_free_bytes=0)
    return VideoModel(
        Setup(store=store, device="cpu", cache_dir=root, data_dir=root, options=options or {})
    )


def uploaded(model: VideoModel, pixels: np.ndarray[Any, Any]) -> dict[str, str]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    asset = model._setup.store.put(
        buffer.getvalue(),
        owner="anna",
        media_type="image/png",
        filename="a.png",
        provenance=Provenance(capability="assets", backend="upload"),
    )
    return {"asset_id": asset.id}


def film_of(model: VideoModel, **more: Any) -> VideoRequest:
    colour, nearness = box_before_wall()
    levels = ((1 / nearness - 2) / 3 * 65535).astype(np.uint16)
    picture = {
        "image": uploaded(model, colour),
        "depth": uploaded(model, levels) | {"near_m": 2, "far_m": 5},
        "fov_deg": 2 * math.degrees(math.atan(TANGENTS[1])),
    }
    size = {"width": WIDE, "height": HIGH, "fps": 8, "duration_s": 1, "seed": 7}
    return VideoRequest.model_validate({"picture": picture, **size, **more})


def content(model: VideoModel, film: VideoResult) -> bytes:
    return b"".join(model._setup.store.read(film.assets.video.id, "anna"))


def test_a_picture_becomes_a_film_that_tells_what_it_lacks(tmp_path: Path) -> None:
    model = model_in(tmp_path)
    asked = film_of(model, camera={"preset": "truck", "amount": 4})
    film, path = model.run(asked, Run(owner="anna")), model.run(
        PathRequest(video=asked), Run(owner="anna")
    )  # fmt: skip

    assert isinstance(film, VideoResult)
    assert isinstance(path, PathResult)
    assert (film.engine, film.source, film.geometry) == ("layers", "picture", "layers")
    assert film.layered is not None
    assert film.layered.layers == 2
    assert film.layered.depth == "given"
    assert film.layered.distances_m == pytest.approx((2, 5), abs=0.01)
    assert film.layered.motion < 1
    assert film.layered.disoccluded <= LIMIT
    assert "the motion of the camera was reduced" in film.degraded[0]
    target = tmp_path / "film.mp4"
    target.write_bytes(content(model, film))
    assert len(read_back(target, asked.rate).times) == 8
    again = model.run(asked.model_copy(update={"camera": path.path, "fps": None, "duration_s": None}),
                      Run(owner="anna"))  # fmt: skip
    assert isinstance(again, VideoResult)
    assert again.layered is not None
    assert again.layered.motion == 1
    assert content(model, again) == content(model, film)


def test_a_stopped_film_goes_on_behind_its_last_segment(tmp_path: Path) -> None:
    whole, part = model_in(tmp_path / "whole"), model_in(tmp_path / "part")
    shown: list[bytes] = []
    stopped = Run(
        owner="anna",
        cancelled=lambda: len(shown) >= 2,
        preview=lambda playlist, _type: shown.append(playlist),
    )
    with pytest.raises(Cancelled):
        part.run(film_of(part), stopped)
    resumed = part.run(film_of(part), Run(owner="anna"))
    film = whole.run(film_of(whole), Run(owner="anna"))

    assert isinstance(film, VideoResult)
    assert isinstance(resumed, VideoResult)
    assert resumed.resumed_at_frame > 0
    assert content(part, resumed) == content(whole, film)


def test_both_eyes_and_depth_are_filmed_too(tmp_path: Path) -> None:
    model = model_in(tmp_path)
    for more in (
        {"camera": {"preset": "handheld", "stereo": "side-by-side"}},
        {"output": "depth"},
    ):
        film = model.run(film_of(model, duration_s=0.25, **more), Run(owner="anna"))
        assert isinstance(film, VideoResult)
        assert film.frames == 2


def test_depth_is_estimated_where_a_checkpoint_is_configured(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "tiny", "relative")
    with_one, without = model_in(tmp_path / "a", {"depth": str(folder)}), model_in(tmp_path / "b")

    def asked(model: VideoModel) -> VideoRequest:
        image = uploaded(model, waves())
        size = {"width": WIDE, "height": HIGH, "fps": 8, "duration_s": 0.25, "seed": 7}
        return VideoRequest.model_validate({"picture": {"image": image}, **size})

    film = with_one.run(asked(with_one), Run(owner="anna"))

    assert isinstance(film, VideoResult)
    assert film.layered is not None
    assert film.layered.depth == "estimated by tiny"
    assert "distances were not given" in film.degraded[0]
    with pytest.raises(InvalidInput, match="the picture has no depth"):
        without.run(asked(without), Run(owner="anna"))


def test_a_segment_is_the_same_whoever_films_it(tmp_path: Path) -> None:
    leader, helper = model_in(tmp_path / "leader"), model_in(tmp_path / "helper")
    asked = film_of(helper)
    film = leader.run(film_of(leader), Run(owner="anna"))
    assert isinstance(film, VideoResult)
    assert film.assets.playlist is not None
    store = leader._setup.store
    playlist = b"".join(store.read(film.assets.playlist.id, "anna")).decode()
    segments = [line for line in playlist.splitlines() if line.startswith("/assets/")]
    encoder = choose_encoder(asked.codec, asked.size)
    clip = clip_name(asked, 7, encoder, "anna")
    order = RangeRequest(clip=clip, number=1, video=asked, seed=7, cache=cache_id(helper._clips))
    helper.run(order, Run(owner="anna"))
    made = reel_of(asked, "layers", encoder, helper._clips / clip).segment(1).read_bytes()

    assert made == b"".join(store.read(segments[1].removeprefix("/assets/"), "anna"))
