import io

import imagecodecs
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from models.core.errors import Cancelled
from models.image.render import Renderer, Rendering, encode, renderer, samples_for
from models.image.render import lights as moods
from models.image.render.colors import linear
from models.image.render.tracer import BlockTracer, Job
from models.image.render.view import fit
from models.image.render.world import pieces
from models.image.schema import Camera, Material, Scene, SceneObject
from models.image.styles import style_named

PHOTO = style_named("photo")
SCENE = Scene(
    objects=(
        SceneObject(shape="sphere", color="#c8321e", material=Material(roughness=0.4)),
        SceneObject(
            shape="cube", color="#d0e8e0", material=Material(transmission=1), position=(0.9, 0.2)
        ),
        SceneObject(shape="candle", color="#efe7d4", position=(-0.9, 0.2)),
    )
)


@pytest.fixture(scope="module")
def tracer() -> Renderer:
    """The slower back end: it needs nothing installed and compiles nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renderer, "find_library", lambda _chosen, _cache_dir: None)
        return Renderer()


@pytest.fixture(scope="module")
def rendering(tracer: Renderer) -> Rendering:
    return tracer.render(SCENE, 48, 36, 4, 7, PHOTO)


def test_a_rendering_has_light_and_guides(rendering: Rendering) -> None:
    assert rendering.color.shape == rendering.albedo.shape == rendering.normal.shape == (36, 48, 3)
    assert rendering.depth.shape == (36, 48)
    assert np.isfinite(rendering.color).all()
    assert set(rendering.timings_s) == {"build", "trace", "denoise"}


def test_the_same_seed_gives_the_same_bytes(tracer: Renderer, rendering: Rendering) -> None:
    again = tracer.render(SCENE, 48, 36, 4, 7, PHOTO)

    assert encode(again, PHOTO, "png") == encode(rendering, PHOTO, "png")


def test_another_seed_gives_another_picture(tracer: Renderer, rendering: Rendering) -> None:
    other = tracer.render(SCENE, 48, 36, 4, 8, PHOTO)

    assert not np.array_equal(other.color, rendering.color)


def test_a_red_ball_is_red(rendering: Rendering) -> None:
    picture = Image.open(io.BytesIO(encode(rendering, PHOTO, "png")[0]))
    red, green, blue = picture.getpixel((24, 18))[:3]  # type: ignore[index]  # an RGB picture

    assert red > 2 * green
    assert red > 2 * blue


def test_a_body_in_even_light_never_outshines_it(
    tracer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    white = np.ones((moods.HEIGHT_PX, moods.WIDTH_PX, 3), np.float32)
    monkeypatch.setattr("models.image.render.lights.environment", lambda _light: white)
    body = SceneObject(shape="sphere", color="#bcbcbc", material=Material(roughness=1, specular=0))
    job = _job(Scene(objects=(body,), camera=Camera(elevation_deg=30)), samples=64)
    light = tracer._tracer.trace(job, lambda _fraction: None)[20:28, 20:28, :3]

    assert light.mean() < 1.0
    assert light.mean() > 0.5 * float(linear("#bcbcbc")[0])


def test_a_cancelled_render_stops_at_once(tracer: Renderer) -> None:
    traced: list[float] = []

    def left() -> bool:
        return bool(traced)

    with pytest.raises(Cancelled):
        tracer.render(
            SCENE, 1024, 1024, 32, 0, PHOTO, left, lambda fraction, _: traced.append(fraction)
        )

    assert len(traced) == 1
    assert traced[0] < 0.05  # of 1, and 0.02 is told before anything is traced


def test_progress_rises_to_one(tracer: Renderer) -> None:
    seen: list[float] = []
    tracer.render(SCENE, 32, 32, 1, 0, PHOTO, progress=lambda fraction, _: seen.append(fraction))

    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_without_a_denoiser_more_samples_are_traced_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(renderer, "find_library", lambda _chosen, _cache_dir: None)
    monkeypatch.setattr(renderer, "find_denoiser", lambda: None)
    bare = Renderer()
    result = bare.render(SCENE, 16, 16, 2, 0, PHOTO)

    assert not result.denoised
    assert result.samples_per_pixel == 8
    assert any("pyoidn" in sentence for sentence in bare.degraded)
    assert any("libLLVM" in sentence for sentence in bare.degraded)


@pytest.mark.parametrize(
    ("file_format", "decoded"),
    [("png", "PNG"), ("jpeg", "JPEG"), ("ultrahdr", "JPEG"), ("avif", "AVIF")],
)
def test_pictures_decode_to_their_size(
    rendering: Rendering, file_format: str, decoded: str
) -> None:
    content, media_type, extension = encode(rendering, PHOTO, file_format)  # type: ignore[arg-type]  # parametrised
    picture = Image.open(io.BytesIO(content))

    assert picture.format in {decoded, "MPO"}
    assert picture.size == (48, 36)
    assert media_type.startswith("image/")
    assert extension.startswith(".")


def test_ultra_hdr_carries_light_beyond_white(rendering: Rendering) -> None:
    content, _, _ = encode(rendering, PHOTO, "ultrahdr")

    assert imagecodecs.ultrahdr_decode(content)[..., :3].max() > 1.2


def test_exr_keeps_linear_light_and_layers(rendering: Rendering, tmp_path: object) -> None:
    content, media_type, _ = encode(rendering, PHOTO, "exr")
    path = f"{tmp_path}/picture.exr"
    with open(path, "wb") as file:  # noqa: PTH123  # the reader takes a plain path
        file.write(content)
    channels = OpenEXR.File(path).channels()

    assert media_type == "image/x-exr"
    np.testing.assert_allclose(channels["RGB"].pixels, rendering.color, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(channels["depth.Z"].pixels, rendering.depth)
    assert {"albedo", "normal"} <= set(channels)


def test_both_back_ends_see_the_same_light(tracer: Renderer) -> None:
    fast = Renderer()
    if fast.variant == "scalar_rgb":
        pytest.skip("no usable libLLVM is installed")
    job = _job(SCENE, samples=32)
    pictures = [each._tracer.trace(job, lambda _fraction: None) for each in (fast, tracer)]

    means = [picture.reshape(4, 12, 4, 12, -1).mean((1, 3)) for picture in pictures]
    light, normal = np.s_[2:, :, :3], np.s_[2:, :, 6:9]
    np.testing.assert_allclose(means[0][light], means[1][light], rtol=0.2, atol=0.05)
    np.testing.assert_allclose(means[0][normal], means[1][normal], atol=0.08)


def test_higher_quality_takes_more_samples() -> None:
    assert samples_for("draft") < samples_for("standard") < samples_for("high")


def _job(scene: Scene, samples: int) -> Job:
    parts = pieces(scene)
    points = np.concatenate([part.triangles.positions for part in parts])
    return Job(scene, parts, fit(scene.camera, points, 48, 48), 48, 48, samples, 0)


def test_bands_are_traced_like_one_picture(tracer: Renderer) -> None:
    job = _job(SCENE, samples=2)
    banded = BlockTracer(tracer._tracer._mi)  # type: ignore[attr-defined]  # the fixture is scalar
    banded.band_pixels = 48 * 10
    rows = banded.trace(job, lambda _fraction: None)
    whole = tracer._tracer.trace(job, lambda _fraction: None)

    np.testing.assert_allclose(rows[24:, :, 9], whole[24:, :, 9], rtol=0.2)
    assert rows[..., :3].mean() == pytest.approx(whole[..., :3].mean(), rel=0.05)
