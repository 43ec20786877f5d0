"""A picture with depth in a request: what is refused at the edge, and how distances are read."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image
from pydantic import ValidationError

from models.core.artifacts import Asset, Provenance
from models.core.capability import Run
from models.core.errors import InvalidInput, TooLarge, UnknownAsset
from models.core.local_store import LocalArtifactStore
from models.media.size import Size
from models.video.cost import estimate
from models.video.layers import depth_files
from models.video.layers.reach import nearer
from models.video.nerf.arrays import Floats
from models.video.path import CameraPath, Preset
from models.video.picture import DeepPicture
from models.video.picturework import PicturePlace, picture_place
from models.video.presets import Subject
from models.video.schema import VideoRequest
from models.video.sway import _SHAPES, sway

ASSET = {"asset_id": "0" * 64}
PICTURE = {"image": ASSET, "depth": ASSET}
SUBJECT = Subject(np.array([0.0, 3.0, 0.0]), np.zeros(3), 30.0, -1000.0)


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)


def kept(store: LocalArtifactStore, content: bytes, owner: str = "anna") -> dict[str, str]:
    asset: Asset = store.put(
        content,
        owner=owner,
        media_type="application/octet-stream",
        filename="file",
        provenance=Provenance(capability="assets", backend="upload"),
    )
    return {"asset_id": asset.id}


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def exr(**channels: Floats) -> bytes:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    named = {name.replace("_", "."): values for name, values in channels.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.exr"
        OpenEXR.File(header, named).write(str(path))
        return path.read_bytes()


def place_of(
    picture: dict[str, Any], store: LocalArtifactStore, owner: str = "anna"
) -> PicturePlace:
    nowhere = (Path("/nowhere"), Path("/nowhere"))  # reading keeps nothing
    asked = DeepPicture.model_validate(picture)
    return picture_place(asked, Size(64, 32), 7, nowhere, store, lambda: None, Run(owner=owner))


GREY = png(np.full((32, 64, 3), 128, np.uint8))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"engine": "nerf"}, "needs engine layers"),
        ({"engine": "diffusion", "prompt": "a cube"}, "films no scene"),
        ({"picture": None, "engine": "layers", "prompt": "a cube"}, "needs a picture with depth"),
        ({"style": "clay"}, "leave out scene, photos and style"),
        ({"output": "alpha"}, "nor objects for alpha"),
        ({"hdr": "hdr10", "codec": "hevc"}, "neither scene-linear light"),
        ({"camera": {"preset": "orbit", "projection": "equirectangular"}}, "beside and behind"),
        ({"picture": PICTURE | {"depth": ASSET | {"near_m": 2}}}, "near_m and far_m, or neither"),
        ({"picture": PICTURE | {"depth": ASSET | {"near_m": 2, "far_m": 1}}}, "less than far_m"),
        ({"picture": PICTURE | {"fov_deg": 170}}, "less than or equal to 120"),
    ],
)
def test_what_cannot_be_filmed_is_refused_at_the_edge(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        VideoRequest.model_validate({"picture": PICTURE, **more})


def test_a_lens_is_refused_since_layers_have_no_blur() -> None:
    key = {"time_s": 0, "position_m": (0, 0, 0), "look_at_m": (0, 1, 0)}
    blurred = key | {"focus_m": 2, "aperture_mm": 20}

    VideoRequest.model_validate(
        {"picture": PICTURE, "camera": {"duration_s": 1, "keyframes": [key]}}
    )
    with pytest.raises(ValidationError, match="without the blur of a lens"):
        VideoRequest.model_validate(
            {"picture": PICTURE, "camera": {"duration_s": 1, "keyframes": [blurred]}}
        )


def test_a_film_of_a_picture_is_estimated_far_below_one_of_a_scene() -> None:
    size = {"width": 1920, "height": 1080}
    told = estimate(VideoRequest.model_validate({"picture": PICTURE, **size}))
    traced = estimate(VideoRequest.model_validate({"prompt": "a cube", **size}))

    assert told.engine == "layers"
    assert told.native_resolution == (1920, 1080)
    assert told.compute_s is not None
    assert traced.compute_s is not None
    assert told.compute_s < traced.compute_s / 3


def test_levels_are_even_in_distance_or_in_its_inverse(store: LocalArtifactStore) -> None:
    levels = np.repeat(np.linspace(0, 65535, 64)[None], 32, 0).astype(np.uint16)
    image, depth = kept(store, GREY), kept(store, png(levels))
    range_m = {"near_m": 2, "far_m": 10}
    linear = place_of({"image": image, "depth": depth | range_m}, store)
    inverse = place_of({"image": image, "depth": depth | range_m | {"spacing": "inverse"}}, store)
    share = np.linspace(0, 1, 64)

    assert 1 / linear.nearness[5] == pytest.approx(2 + 8 * share, abs=1e-3)
    assert inverse.nearness[5] == pytest.approx(0.1 + 0.4 * share, abs=1e-4)
    assert (linear.depth, linear.lacking) == ("given", ())


def test_assumed_distances_are_told(store: LocalArtifactStore) -> None:
    levels = png(np.full((32, 64), 30000, np.uint16))
    place = place_of({"image": kept(store, GREY), "depth": kept(store, levels)}, store)

    assert "distances were not given" in place.lacking[0]


def test_distances_along_rays_to_a_wall_are_one_distance_along_the_axis(
    store: LocalArtifactStore,
) -> None:
    half = np.tan(np.radians(20))
    x = ((np.arange(64) + 0.5) / 32 - 1) * 2 * half
    y = ((np.arange(32) + 0.5) / 16 - 1)[:, None] * half
    rays = (3 * np.sqrt(1 + x * x + y * y)).astype(np.float32)
    light = np.full((32, 64, 3), 0.2, np.float32)
    own = place_of({"image": kept(store, exr(RGB=light, depth_Z=rays)), "fov_deg": 40}, store)
    axial = exr(Z=np.full((32, 64), 3, np.float32))
    given = place_of({"image": kept(store, GREY), "depth": kept(store, axial)}, store)

    assert own.depth == "own"
    assert 1 / own.nearness == pytest.approx(3.0, abs=1e-4)
    assert 1 / given.nearness == pytest.approx(3.0, abs=1e-4)
    assert own.subject.distance_m == pytest.approx(3.0, abs=1e-3)


def test_what_cannot_be_used_is_refused_with_the_way_out(
    store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = kept(store, GREY)
    deep = kept(store, png(np.full((32, 64), 30000, np.uint16)))
    wrong = {
        "has no depth": {"image": image},
        "16 bits": {"image": image, "depth": image},
        "neither a PNG": {"image": image, "depth": kept(store, b"no picture")},
        "cannot be read": {"image": kept(store, b"none"), "depth": deep},
        "damaged": {"image": kept(store, b"\x76\x2f\x31\x01"), "depth": deep},
        "64x32, but its depth 32x32": {
            "image": image,
            "depth": kept(store, png(np.full((32, 32), 9, np.uint16))),
        },
    }

    for why, picture in wrong.items():
        with pytest.raises(InvalidInput, match=why):
            place_of(picture, store)
    with pytest.raises(UnknownAsset):
        place_of({"image": image, "depth": deep}, store, "boris")
    monkeypatch.setattr(depth_files, "MAX_SAMPLES", 64 * 32 * 3)
    light = np.full((32, 64, 3), 0.2, np.float32)
    with pytest.raises(TooLarge, match="million samples"):
        place_of({"image": kept(store, exr(RGB=light, Z=light[..., 0].copy()))}, store)


@pytest.mark.parametrize("name", sorted(_SHAPES))
def test_presets_stay_near_the_picture_and_look_at_its_subject(name: Any) -> None:
    path = sway(Preset(preset=name), SUBJECT, 2.0, 12, 7)

    for key in path.keyframes:
        assert key.position_m is not None
        assert key.look_at_m is not None
        assert np.linalg.norm(key.position_m) <= 0.3 * SUBJECT.distance_m
        assert np.linalg.norm(np.array(key.look_at_m) - SUBJECT.centre) <= 0.1 * SUBJECT.distance_m


def test_a_share_of_the_motion_lies_between_rest_and_the_whole() -> None:
    turned = np.eye(4)
    turned[:3, :3] = [[0.8, 0.6, 0], [0, 0, -1], [-0.6, 0.8, 0]]
    turned[:3, 3] = [1, 2, 0.5]
    paths = [
        sway(Preset(preset="truck"), SUBJECT, 1.0, 12, 7),
        CameraPath.model_validate(
            {"duration_s": 1, "keyframes": [{"time_s": 0, "pose": turned.tolist(), "fov_deg": 50}]}
        ),
    ]

    for path in paths:
        rest, half = nearer(path, SUBJECT, 0.0), nearer(path, SUBJECT, 0.5)
        CameraPath.model_validate(half.model_dump())  # accepted as a camera again
        for key, still, some in zip(path.keyframes, rest.keyframes, half.keyframes, strict=True):
            assert still.fov_deg == SUBJECT.fov_deg
            assert some.fov_deg == pytest.approx((key.fov_deg + SUBJECT.fov_deg) / 2, abs=1e-3)
            if key.position_m is not None and some.position_m is not None:
                assert still.position_m == (0, 0, 0)
                assert np.array(some.position_m) * 2 == pytest.approx(np.array(key.position_m))
            if key.pose is not None and some.pose is not None and still.pose is not None:
                assert np.array(still.pose)[:3, 2] == pytest.approx([0, -1, 0], abs=1e-6)
                assert np.array(some.pose)[:3, 3] * 2 == pytest.approx(turned[:3, 3])
    whole = nearer(paths[1], SUBJECT, 1.0).keyframes[0].pose
    assert np.array(whole) == pytest.approx(turned, abs=1e-6)
