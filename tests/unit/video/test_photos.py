"""Photographs in a request: what is refused at the edge, and what is read of them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.core.capability import Run
from models.core.errors import InvalidInput, UnknownAsset
from models.core.local_store import LocalArtifactStore
from models.video.cost import estimate
from models.video.path import Preset
from models.video.photos import Photos
from models.video.photowork import PhotoPlace, photo_place
from models.video.presets import expand
from models.video.schema import VideoRequest
from tests.unit.video.captures import capture, transforms
from tests.unit.video.scenes import balls_views

ASSET = "0" * 64


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)


def images(count: int) -> list[dict[str, str]]:
    return [{"asset_id": ASSET, "name": f"ball_{number:02d}.png"} for number in range(count)]


def place_of(photos: dict[str, Any], store: LocalArtifactStore, owner: str) -> PhotoPlace:
    nowhere = Path("/nowhere")  # reading keeps nothing
    asked = Photos.model_validate(photos)
    return photo_place(asked, 7, nowhere, nowhere, store, Run(owner=owner))


@pytest.mark.parametrize(
    ("photos", "why"),
    [
        ({"images": images(14)}, "photographs alone do not say"),
        ({"images": images(3), "transforms": {}}, "at least 4 images"),
        ({"archive": ASSET, "transforms": {}}, "give it alone"),
        ({"images": images(14), "transforms": {"frames": []}}, "a list of 4 to 300"),
        ({"images": images(14), "transforms": {"frames": [{}] * 5}}, "frames/0 needs a file_path"),
        (
            {
                "images": images(5),
                "transforms": {
                    "frames": [{"file_path": "a.png", "transform_matrix": [[1, 0]] * 4}] * 5
                },
            },
            "4 numbers",
        ),
        ({"images": images(2) * 3, "colmap": {"cameras": "", "images": ""}}, "the same name"),
        ({"images": images(301), "colmap": {"cameras": "", "images": ""}}, "at most 300"),
    ],
)
def test_what_cannot_be_filmed_is_refused_at_the_edge(photos: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        VideoRequest.model_validate({"photos": photos})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"engine": "path-trace"}, "need engine nerf"),
        ({"engine": "diffusion"}, "leave out scene, photos and camera"),
        ({"hdr": "hdr10", "codec": "hevc"}, "no scene-linear light"),
        ({"style": "clay"}, "leave out scene and style"),
    ],
)
def test_photographs_go_with_a_field_alone(more: dict[str, Any], why: str) -> None:
    photos = {"images": images(14), "transforms": transforms(balls_views())}

    with pytest.raises(ValidationError, match=why):
        VideoRequest.model_validate({"photos": photos, "prompt": "orbit", **more})


def test_their_film_is_estimated_without_traced_views() -> None:
    photos = {"images": images(14), "transforms": transforms(balls_views())}
    asked = VideoRequest.model_validate({"photos": photos})
    told = estimate(asked)
    of_scene = estimate(VideoRequest(prompt="a ball", engine="nerf"))

    assert told.engine == "nerf"
    assert told.compute_s is not None
    assert of_scene.compute_s is not None
    assert told.compute_s < of_scene.compute_s


def test_uploads_are_found_by_their_file_names(store: LocalArtifactStore) -> None:
    photos = capture(store, "anna")
    place, truth = place_of(photos, store, "anna"), balls_views()

    assert place.views.source == "photos"
    for number in range(14):
        assert np.abs(place.views.rgba(number) - truth.rgba(number)).max() < 0.003
        assert np.allclose(place.views.cameras[number].pose, truth.cameras[number].pose)
        assert place.views.cameras[number].fov_y_deg == pytest.approx(40)


def test_nobody_films_photographs_of_others(store: LocalArtifactStore) -> None:
    photos = capture(store, "anna")

    with pytest.raises(UnknownAsset):
        place_of(photos, store, "boris")


def test_a_picture_that_was_not_uploaded_is_named(store: LocalArtifactStore) -> None:
    photos = capture(store, "anna")
    photos["transforms"]["frames"][5]["file_path"] = "images/other.png"

    with pytest.raises(InvalidInput, match=r"no picture 'other\.png'"):
        place_of(photos, store, "anna")


def test_far_away_cameras_are_told_to_be_scaled(store: LocalArtifactStore) -> None:
    photos = capture(store, "anna")
    for frame in photos["transforms"]["frames"]:
        matrix = copy.deepcopy(frame["transform_matrix"])
        for row in matrix[:3]:
            row[3] *= 500
        frame["transform_matrix"] = matrix

    with pytest.raises(InvalidInput, match="scale the poses"):
        place_of(photos, store, "anna")


def test_frames_far_from_every_photograph_are_told(store: LocalArtifactStore) -> None:
    place = place_of(capture(store, "anna"), store, "anna")
    near = expand(Preset(preset="handheld"), place.subject, 1.0, 8, 0)
    far = expand(Preset(preset="dolly-zoom", amount=2), place.subject, 1.0, 8, 0)

    assert place.notes(near) == place.views.degraded
    assert "of the frames are seen from far away" in place.notes(far)[-1]
