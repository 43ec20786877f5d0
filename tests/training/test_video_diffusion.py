"""The engine `diffusion` with a tiny checkpoint of each family, made on the fly."""

import base64
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from models.core.capability import Run, Setup
from models.core.errors import Cancelled, CapacityExceeded, InvalidInput, ModelUnavailable
from models.core.local_store import LocalArtifactStore
from models.media.facts import Facts, read_back
from models.video.diffusion import decoding
from models.video.model import VideoModel
from models.video.schema import PathRequest, VideoRequest, VideoResult
from tests.training import tiny_video

torch.set_num_threads(1)
NOBODY = Run()


def picture(size: tuple[int, int] = (64, 64)) -> dict[str, str]:
    buffer = io.BytesIO()
    Image.new("RGB", size, "#c04020").save(buffer, "PNG")
    return {"base64": base64.b64encode(buffer.getvalue()).decode()}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    tiny_video.wan(folder / "wan")
    tiny_video.wan(folder / "wan-image", "WanImageToVideoPipeline")
    tiny_video.wan(folder / "wan-both", both=True)
    tiny_video.ltx(folder / "ltx")
    tiny_video.cogvideox(folder / "cog")
    tiny_video.cogvideox(folder / "cog-image", "CogVideoXImageToVideoPipeline")
    tiny_video.animatediff(folder / "animate")
    tiny_video.svd(folder / "svd")
    return folder


@pytest.fixture(scope="module")
def model(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> VideoModel:
    return model_in(tmp_path_factory.mktemp("service"), shelf)


def model_in(root: Path, shelf: Path | None) -> VideoModel:
    (root / "cache").mkdir(exist_ok=True)
    options = {"diffusion": {"checkpoints": str(shelf)}} if shelf else {}
    store = LocalArtifactStore(root / "assets", min_free_bytes=0)
    return VideoModel(Setup(store, "cpu", root / "cache", root, options))


def request(name: str | None, **fields: Any) -> VideoRequest:
    body = {"prompt": "a cat", "engine": "diffusion", "model": name, "seed": 3, "steps": 2}
    size = {"width": 64, "height": 64, "duration_s": 0.5}
    return VideoRequest.model_validate(body | size | fields)


def made(model: VideoModel, name: str | None, run: Run = NOBODY, **fields: Any) -> VideoResult:
    result = model.run(request(name, **fields), run)
    assert isinstance(result, VideoResult)
    return result


def facts(model: VideoModel, result: VideoResult, folder: Path) -> Facts:
    path = folder / result.assets.video.filename
    path.write_bytes(b"".join(model._setup.store.read(result.assets.video.id, "local")))
    return read_back(path, Fraction(result.fps))


@pytest.fixture
def stages() -> list[str]:
    return []


@pytest.mark.parametrize(
    ("name", "from_picture", "fps"),
    [
        ("wan", False, 16),
        ("wan-image", True, 16),
        ("wan-both", False, 24),
        ("ltx", False, 24),
        ("ltx", True, 24),
        ("cog", False, 8),
        ("cog-image", True, 8),
        ("animate", False, 8),
        ("svd", True, 7),
    ],
)
def test_each_family_makes_a_playable_clip(
    model: VideoModel, tmp_path: Path, stages: list[str], name: str, from_picture: bool, fps: int
) -> None:
    given = {"image": picture((96, 64))} if from_picture else {}
    shares: list[float] = []

    def told(share: float, stage: str) -> None:
        shares.append(share)
        stages.append(stage)

    result = made(model, name, Run(progress=told), **given)
    read = facts(model, result, tmp_path)

    assert read.is_gapless
    assert len(read.times) == result.frames == round(0.5 * fps)
    assert (result.fps, result.native_fps) == (fps, fps)
    assert (result.source, result.geometry) == (f"diffusion:{name}", "none")
    assert result.native_resolution == (64, 64)
    assert result.upscale is result.scene is result.assets.camera_path is None
    assert result.assets.playlist is not None
    assert "step 1 of 2" in stages
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_same_seed_gives_the_same_clip_and_another_another(model: VideoModel) -> None:
    first, again = made(model, "wan"), made(model, "wan")
    other = made(model, "wan", seed=4)

    assert first.assets.video.id == again.assets.video.id != other.assets.video.id


def test_a_picture_and_words_change_the_clip(model: VideoModel) -> None:
    plain = made(model, "wan-image", image=picture())
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "#2040c0").save(buffer, "PNG")
    blue = {"base64": base64.b64encode(buffer.getvalue()).decode()}
    clips = [
        made(model, "wan-image", image=blue),
        made(model, "wan-image", image=picture(), prompt="a dog"),
        made(model, "wan-image", image=picture(), negative_prompt="a cat"),
    ]

    assert len({one.assets.video.id for one in [plain, *clips]}) == 4


def test_frames_reach_the_asked_rate_and_size(model: VideoModel, tmp_path: Path) -> None:
    wished = {"width": 160, "height": 90, "upscale": 2, "upscaler": "learned"}
    result = made(model, "wan", fps=24, **wished)
    read = facts(model, result, tmp_path)

    assert (len(read.times), read.size) == (12, (160, 90))
    assert (result.native_fps, result.fps) == (16, 24)
    assert result.native_resolution == (80, 44)
    assert result.degraded == ("cropped from 80x48: the model has no such proportions",)
    assert result.upscale is not None
    assert (result.upscale.factor, result.upscale.method) == (2, "learned")


def test_a_clip_interrupted_between_pictures_ends_with_the_same_bytes(
    shelf: Path, tmp_path: Path, stages: list[str]
) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "whole").mkdir()
    left, other = model_in(tmp_path / "left", shelf), model_in(tmp_path / "whole", shelf)
    seen: list[str] = []
    leaving = Run(
        progress=lambda _share, stage: seen.append(stage),
        cancelled=lambda: "frame 5 of 12" in seen,
    )
    with pytest.raises(Cancelled):
        made(left, "wan", leaving, fps=24)
    again = made(left, "wan", Run(progress=lambda _share, stage: stages.append(stage)), fps=24)
    whole = made(other, "wan", fps=24)

    assert again.resumed_at_frame == 3  # segments hold 1, 2, 4 and 5 frames
    assert "frame 3 of 12" not in stages
    assert again.assets.video.id == whole.assets.video.id
    assert again.interpolation == whole.interpolation is not None
    assert not list((tmp_path / "left" / "cache" / "clips").glob("*/motion.json"))


def test_an_interrupted_clip_resumes_at_decoding(
    shelf: Path, tmp_path: Path, stages: list[str]
) -> None:
    model = model_in(tmp_path, shelf)
    first: list[str] = []
    left = Run(
        progress=lambda _share, stage: first.append(stage),
        cancelled=lambda: "decode" in first,
    )
    with pytest.raises(Cancelled):
        made(model, "ltx", left)
    kept = list((tmp_path / "cache" / "clips").glob("*/latents.safetensors"))
    again = made(model, "ltx", Run(progress=lambda _share, stage: stages.append(stage)))
    whole = made(model, "ltx")

    assert len(kept) == 1
    assert "step 2 of 2" in first
    assert not any(stage.startswith("step") for stage in stages)
    assert again.assets.video.id == whole.assets.video.id
    assert not kept[0].exists()


def test_a_clip_stops_within_a_step(shelf: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    run = Run(
        progress=lambda _share, stage: stages.append(stage),
        cancelled=lambda: "step 1 of 50" in stages,
    )
    with pytest.raises(Cancelled):
        made(model_in(tmp_path, shelf), "wan", run, steps=50)

    assert "step 2 of 50" not in stages


@pytest.fixture
def small_memory(model: VideoModel) -> Iterator[list[bool]]:
    """Decoding in one piece finds no memory; notes whether each attempt was in tiles."""
    from diffusers import AutoencoderKLWan  # noqa: PLC0415  # takes seconds

    tiled: list[bool] = []
    decode = AutoencoderKLWan.decode

    def limited(self: Any, z: torch.Tensor, **options: Any) -> Any:
        tiled.append(self.use_tiling)
        if not self.use_tiling:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(self, z, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoencoderKLWan, "decode", limited)
        yield tiled


def test_decoding_goes_on_in_tiles_where_memory_runs_out(
    model: VideoModel, small_memory: list[bool], stages: list[str]
) -> None:
    run = Run(progress=lambda _share, stage: stages.append(stage))
    result = made(model, "wan", run, seed=11)

    assert result.frames == 8
    assert small_memory == [False, True]
    assert stages.count("step 1 of 2") == 1


def test_a_way_of_decoding_that_ended_in_a_kill_is_not_tried_again(
    shelf: Path, tmp_path: Path, small_memory: list[bool]
) -> None:
    model = model_in(tmp_path, shelf)
    first: list[str] = []
    left = Run(
        progress=lambda _share, stage: first.append(stage), cancelled=lambda: "decode" in first
    )
    with pytest.raises(Cancelled):
        made(model, "wan", left)
    latents = next((tmp_path / "cache" / "clips").glob("*/latents.safetensors"))
    latents.with_name(decoding.ATTEMPT).write_text("0")  # as a killed process leaves it
    made(model, "wan")

    assert small_memory == [True]


def test_what_cannot_be_decoded_at_all_keeps_its_latents(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = model_in(tmp_path, shelf)
    monkeypatch.setattr(decoding, "_decoded", full)
    with pytest.raises(CapacityExceeded, match="kept"):
        made(model, "wan")
    monkeypatch.undo()
    stages: list[str] = []
    made(model, "wan", Run(progress=lambda _share, stage: stages.append(stage)))

    assert not any(stage.startswith("step") for stage in stages)


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("wan", {"image": picture()}, "cannot begin with a picture"),
        ("svd", {}, "begins with a picture"),
        ("animate", {"duration_s": 2}, "at most 1.00 s"),
    ],
)
def test_what_a_model_cannot_do_is_said(
    model: VideoModel, name: str, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        made(model, name, **fields)


def test_absent_models_say_what_to_do(model: VideoModel, tmp_path: Path) -> None:
    bare = model_in(tmp_path, None)
    card = next(card for card in bare.cards() if card.name == "diffusion")

    assert not card.available
    assert "options.video.diffusion.checkpoints" in (card.reason or "")
    with pytest.raises(ModelUnavailable, match="checkpoints"):
        made(bare, None)
    with pytest.raises(ModelUnavailable, match="there are animate, cog"):
        made(model, "absent")


def test_checkpoints_without_safetensors_are_listed_and_refused(
    shelf: Path, tmp_path: Path
) -> None:
    other = tmp_path / "shelf" / "pickled"
    (other / "vae").mkdir(parents=True)
    (other / "model_index.json").write_bytes((shelf / "wan" / "model_index.json").read_bytes())
    (other / "vae" / "pytorch_model.bin").write_bytes(b"pickle")
    model = model_in(tmp_path, tmp_path / "shelf")
    card = next(card for card in model.cards() if card.name == "pickled")

    assert not card.available
    assert "pickles" in (card.reason or "")
    with pytest.raises(ModelUnavailable, match="pickles"):
        made(model, "pickled")


def test_there_is_no_path_to_show(model: VideoModel) -> None:
    with pytest.raises(InvalidInput, match="no camera"):
        model.run(PathRequest(video=request("wan")), Run())
