"""Films and models of scenes as other software reads them."""

import io
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import trimesh

from models.core.artifacts import Provenance
from models.core.capability import Run, Setup
from models.core.errors import Cancelled, InvalidInput
from models.core.local_store import LocalArtifactStore
from models.core.xmp import packet
from models.image.films import film
from models.image.render import Renderer, renderer
from models.image.render.glb import to_glb
from models.image.render.lights import OWN_LIGHT, Lighting
from models.image.scene_film import film_scene
from models.image.schema import ImageRequest, Material, Motion, Scene, SceneObject
from models.image.stylegan3.backend import StyleGan3Backend
from models.image.styles import style_named
from tests.unit.image.stylegan3_files import official_file

torch.set_num_threads(1)
PHOTO = style_named("photo")
ORIGIN = Provenance(capability="image", backend="scene", model="scene", seed=7)
XMP = packet(ORIGIN)
SCENE = Scene(
    objects=(
        SceneObject(shape="teapot", color="#c03020", material=Material(metallic=1)),
        SceneObject(shape="sphere", color="#2040c0", position=(1.0, 0.3)),
    )
)
MOTION = Motion(kind="turntable", seconds=1.0, fps=6)


@pytest.fixture(scope="module")
def tracer() -> Renderer:
    """The slower back end: it needs nothing installed and compiles nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renderer, "find_library", lambda _chosen, _cache_dir: None)
        return Renderer()


def frames_of(content: bytes) -> tuple[list[np.ndarray], Fraction]:
    with av.open(io.BytesIO(content)) as file:
        stream = file.streams.video[0]
        rate = Fraction(stream.average_rate or 0)
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)], rate


def counted(numbers: list[int]) -> Callable[[int], np.ndarray]:
    def paint(number: int) -> np.ndarray:
        numbers.append(number)
        return np.full((48, 64, 3), 20 + 30 * number, np.uint8)

    return paint


def test_a_film_shows_every_frame_and_says_where_it_comes_from(tmp_path: Path) -> None:
    told: list[float] = []
    run = Run(progress=lambda fraction, _stage: told.append(fraction))

    content = film(counted([]), MOTION, (64, 48), tmp_path / "film", XMP, run)

    frames, rate = frames_of(content)
    assert (len(frames), rate) == (6, 6)
    assert [abs(int(f.mean()) - (20 + 30 * n)) < 6 for n, f in enumerate(frames)] == [True] * 6
    assert content.endswith(XMP)
    assert told == sorted(told)
    assert not (tmp_path / "film").exists()


def test_a_film_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    painted: list[int] = []
    run = Run(cancelled=lambda: len(painted) >= 4)
    with pytest.raises(Cancelled):
        film(counted(painted), MOTION, (64, 48), tmp_path / "film", XMP, run)
    before = len(painted)

    content = film(counted(painted), MOTION, (64, 48), tmp_path / "film", XMP, Run())

    assert len(frames_of(content)[0]) == 6
    assert painted[before:][0] > 0  # the first segments were kept
    assert painted[-1] == 5


def test_odd_sides_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="even"):
        film(counted([]), MOTION, (63, 48), tmp_path / "film", XMP, Run())


@pytest.mark.parametrize("kind", ["turntable", "light", "objects"])
def test_each_motion_moves(tracer: Renderer, tmp_path: Path, kind: str) -> None:
    request = ImageRequest.model_validate(
        {
            "prompt": "x", "size": "64x64", "quality": "draft", "format": "mp4",
            "motion": {"kind": kind, "seconds": 0.5, "fps": 8},
        }
    )  # fmt: skip

    content = film_scene(tracer, SCENE, PHOTO, OWN_LIGHT, request, 7, tmp_path, XMP, Run())

    frames, _ = frames_of(content)
    assert len(frames) == 4
    steps = [np.abs(a.astype(int) - b).mean() for a, b in pairwise(frames)]
    assert min(steps) > 0.5


def test_a_lamp_at_the_left_of_a_panorama_lights_the_left(tracer: Renderer) -> None:
    panorama = np.full((32, 64, 3), 0.05, np.float32)
    panorama[10:14, 14:18] = 40.0  # a quarter turn left of the middle
    ball = Scene(objects=(SceneObject(shape="sphere", color="#c0c0c0"),))
    job = tracer.job(ball, (48, 48), 4, 7, PHOTO)

    def sides(turn_deg: float) -> tuple[float, float]:
        lighting = Lighting(panorama=panorama, turn_deg=turn_deg)
        seen = tracer.shoot(type(job)(**{**vars(job), "lighting": lighting})).color
        body = seen[18:30, 16:32]
        return float(body[:, :6].mean()), float(body[:, -6:].mean())

    left, right = sides(0.0)
    turned_left, turned_right = sides(180.0)

    assert left > 1.5 * right
    assert turned_right > 1.5 * turned_left


def test_other_software_opens_the_model() -> None:
    opened = trimesh.load(io.BytesIO(to_glb(SCENE, PHOTO, ORIGIN)), file_type="glb")

    teapot = next(mesh for name, mesh in opened.geometry.items() if "teapot" in name)
    assert {"teapot", "sphere", "ground"} <= set(opened.graph.nodes_geometry)
    assert teapot.visual.material.metallicFactor == 1
    assert opened.bounds[0][1] == pytest.approx(0, abs=1e-5)  # y is up and the ground is at 0


def test_a_film_between_seeds_is_drawn_by_a_generator(tmp_path: Path) -> None:
    (tmp_path / "faces.pkl").write_bytes(official_file("t"))
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    options = {"stylegan3": {"faces": str(tmp_path / "faces.pkl")}}
    backend = StyleGan3Backend(Setup(store, "cpu", tmp_path, tmp_path, options=options))
    request = ImageRequest.model_validate(
        {
            "backend": "stylegan3", "seed": 3, "format": "mp4",
            "motion": {"seconds": 1, "fps": 8},
        }
    )  # fmt: skip

    (picture,) = backend.run(request, Run()).images

    content = b"".join(store.read(picture.asset.id, "local"))
    assert picture.asset.media_type == "video/mp4"
    assert len(frames_of(content)[0]) == 8
