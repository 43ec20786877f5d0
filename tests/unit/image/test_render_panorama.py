"""Panoramas of light that callers bring, and scenes that turn within them."""

from pathlib import Path

import imagecodecs
import numpy as np
import OpenEXR
import pytest

from models.core.errors import InvalidInput
from models.image.render.lights import Lighting
from models.image.render.motion import moments
from models.image.render.panorama import read_panorama
from models.image.schema import Motion, Scene, SceneObject
from models.image.styles import style_named


def light(height: int = 16) -> np.ndarray:
    generator = np.random.default_rng(3)
    return (generator.random((height, 2 * height, 3)) + 0.1).astype(np.float32)


def hdr(radiance: np.ndarray) -> bytes:
    return bytes(imagecodecs.rgbe_encode(radiance, header=True))


def exr(radiance: np.ndarray, folder: Path) -> bytes:
    path = folder / "light.exr"
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGB": radiance}).write(str(path))
    return path.read_bytes()


def test_both_formats_give_the_same_light(tmp_path: Path) -> None:
    from_hdr, from_exr = read_panorama(hdr(light())), read_panorama(exr(light(), tmp_path))

    assert from_exr.shape == (16, 32, 3)
    np.testing.assert_allclose(from_hdr, from_exr, rtol=0.03, atol=0.01)


def test_exposure_does_not_depend_on_the_unit_of_the_file(tmp_path: Path) -> None:
    once, thousand = (read_panorama(exr(light() * unit, tmp_path)) for unit in (1, 1000))

    np.testing.assert_allclose(once, thousand, rtol=1e-4)


def test_a_large_panorama_is_averaged_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.image.render.panorama.WIDTH_PX", 64)
    even = np.full((64, 128, 3), 3.0, np.float32)

    small = read_panorama(exr(even, tmp_path))

    assert small.shape == (32, 64, 3)
    np.testing.assert_allclose(small, small[0, 0, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither"),
        (b"\x89PNG", "neither"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n+X 4 -Y 2\n" + b"\0" * 32, "turned"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 50000 +X 99999\n", "at most"),
        (b"\x76\x2f\x31\x01" + b"\0" * 64, "damaged"),
        (hdr(light())[:-40], "damaged"),
        (hdr(np.ones((8, 8, 3), np.float32)), "twice as wide"),
        (hdr(np.zeros((4, 8, 3), np.float32)), "no light"),
    ],
    ids=["empty", "picture", "turned", "huge", "exr", "cut", "square", "dark"],
)
def test_what_is_no_panorama_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_panorama(content)


def test_the_middle_is_seen_straight_ahead_and_the_right_at_the_right() -> None:
    panorama = np.zeros((32, 64, 3), np.float32)
    panorama[15:17, 31:33] = 1.0
    panorama[15:17, 48] = 2.0
    lighting = Lighting(panorama=panorama)

    ahead, right = np.array([0.01, 1.0, 0.01]), np.array([1.0, -0.04, 0.01])

    assert lighting.seen(ahead, 0.0).max() == 1.0
    assert lighting.seen(right, 0.0).max() == 2.0
    # The light turns with the camera: counter-clockwise, what was on its right is ahead.
    turned = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]) @ right
    assert lighting.seen(turned, 90.0).max() == 2.0


def test_what_is_seen_is_what_lights() -> None:
    panorama = light()
    lighting = Lighting(panorama=panorama)
    angles = (np.arange(32) + 0.5) / 32 * 2 * np.pi
    ways = np.stack([np.sin(angles), np.cos(angles), np.full(32, 1e-3)], 1)

    # The first column of the map that lights lies behind the objects, along +y.
    row = np.floor(np.arccos(1e-3) / np.pi * 16).astype(int)
    np.testing.assert_array_equal(lighting.seen(ways, 0.0), lighting.radiance("sky")[row])


SCENE = Scene(
    objects=(
        SceneObject(shape="cube", color="#c03020", position=(1.0, 0.0), yaw_deg=10),
        SceneObject(shape="sphere", color="#2040c0", position=(-1.0, 0.0), on=None),
    )
)


@pytest.mark.parametrize("kind", ["turntable", "light", "objects"])
def test_a_motion_begins_with_the_scene_and_ends_before_it_repeats(kind: str) -> None:
    motion = Motion.model_validate({"kind": kind, "seconds": 1, "fps": 8})

    frames = list(moments(SCENE, motion, style_named("photo"), (64, 64)))

    assert len(frames) == 8
    assert frames[0].scene == SCENE
    assert frames[0].lighting.turn_deg == 0
    assert all(frame.view is frames[0].view for frame in frames)
    if kind == "turntable":
        np.testing.assert_allclose(frames[4].scene.objects[0].position, (-1, 0), atol=1e-9)
        np.testing.assert_allclose(frames[2].scene.objects[0].position, (0, 1), atol=1e-9)
    elif kind == "light":
        assert [frame.lighting.turn_deg for frame in frames] == list(np.arange(8) * 45)
        assert all(frame.scene is SCENE for frame in frames)
    else:
        assert frames[2].scene.objects[0].yaw_deg == 100
        assert frames[2].scene.objects[0].position == (1.0, 0.0)
