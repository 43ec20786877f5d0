"""Geometry of pictures, by estimators with random weights made on the fly."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    MarigoldDepthPipeline,
    MarigoldNormalsPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel

from benchmarks.tiny_checkpoint import TEXT_WIDTH, tokenizer
from models.core.artifacts import Provenance
from models.core.capability import Run, Setup
from models.core.errors import Cancelled, InvalidInput, ModelUnavailable
from models.core.local_store import LocalArtifactStore
from models.image.geometry.backend import Geometry
from models.image.geometry.surface import normals_of, relief, relit
from models.image.geometry_schema import GeometryRequest, GeometryResult
from tests.unit.image.gltf_check import Glb

torch.set_num_threads(1)
ORIGIN = Provenance(capability="image", backend="geometry", model="marigold-depth")


def checkpoint(kind: type[Any], folder: Path) -> Path:
    torch.manual_seed(0)
    words = tokenizer(folder / "tokens")
    text = CLIPTextConfig(
        hidden_size=TEXT_WIDTH, intermediate_size=37, num_attention_heads=4, num_hidden_layers=2,
        vocab_size=len(words), bos_token_id=len(words) - 2, eos_token_id=len(words) - 1,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, sample_size=16, in_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=2,
        cross_attention_dim=TEXT_WIDTH,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=[32] * 4, latent_channels=4, down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
    )  # fmt: skip
    kind(
        unet=unet,
        vae=vae,
        scheduler=DDIMScheduler(prediction_type="v_prediction"),
        text_encoder=CLIPTextModel(text),
        tokenizer=words,
        prediction_type="depth" if kind is MarigoldDepthPipeline else "normals",
        default_denoising_steps=2,
        default_processing_resolution=0,
    ).save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder: Path = tmp_path_factory.mktemp("marigold")
    return {
        "depth": checkpoint(MarigoldDepthPipeline, folder / "depth"),
        "normals": checkpoint(MarigoldNormalsPipeline, folder / "normals"),
    }


def geometry(folder: Path, **folders: Path) -> Geometry:
    store = LocalArtifactStore(folder, min_free_bytes=0)
    options = {"marigold": {kind: str(path) for kind, path in folders.items()}}
    return Geometry(Setup(store, "cpu", folder, folder, options=options))


def photo() -> str:
    pixels = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def asked(*outputs: str, **fields: Any) -> GeometryRequest:
    given = {"image": {"base64": photo()}, "outputs": outputs, "steps": 2, **fields}
    return GeometryRequest.model_validate(given)


def content(folder: Path, result: GeometryResult, name: str) -> bytes:
    store = LocalArtifactStore(folder, min_free_bytes=0)
    return b"".join(store.read(getattr(result, name).id, "local"))


def test_every_output_is_a_file_of_the_size_of_the_picture(
    tmp_path: Path, folders: dict[str, Path]
) -> None:
    served = geometry(tmp_path, **folders)

    result = served.run(asked("depth", "normals", "relief", "relit"), Run())

    assert result.models == ("marigold-depth", "marigold-normals")
    assert result.degraded == ()
    pictures = {
        name: Image.open(io.BytesIO(content(tmp_path, result, name)))
        for name in ("depth", "normals", "relit")
    }
    assert {name: picture.size for name, picture in pictures.items()} == dict.fromkeys(
        pictures, (64, 48)
    )
    assert pictures["depth"].mode == "I;16"
    length = np.linalg.norm(np.asarray(pictures["normals"]) / 127.5 - 1, axis=-1)
    assert np.abs(length - 1).max() < 0.05
    assert b"orrery:model" in content(tmp_path, result, "relit")
    assert served.run(asked("depth"), Run()).depth == result.depth  # the same seed, the same bytes


def test_without_normals_of_their_own_they_follow_from_depth_and_this_is_said(
    tmp_path: Path, folders: dict[str, Path]
) -> None:
    served = geometry(tmp_path, depth=folders["depth"])

    result = served.run(asked("normals"), Run())

    assert result.models == ("marigold-depth",)
    assert "follow from the depth" in result.degraded[0]
    assert [card.available for card in served.cards()] == [True, False]


def test_without_a_checkpoint_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="marigold"):
        geometry(tmp_path).run(asked("depth"), Run())
    with pytest.raises(ModelUnavailable, match="complete"):
        geometry(tmp_path, depth=tmp_path).run(asked("depth"), Run())


def test_what_is_no_picture_is_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    given = {"base64": base64.b64encode(b"GIF89a").decode()}

    with pytest.raises(InvalidInput):
        geometry(tmp_path, **folders).run(asked("depth", image=given), Run())


def test_it_stops_within_a_step(tmp_path: Path, folders: dict[str, Path]) -> None:
    looks = 0

    def cancelled() -> bool:
        nonlocal looks
        looks += 1
        return looks > 2

    with pytest.raises(Cancelled):
        geometry(tmp_path, **folders).run(asked("depth", steps=50), Run(cancelled=cancelled))

    assert looks == 3


def test_a_plane_has_the_normal_of_its_slope() -> None:
    across = np.tile(np.linspace(0, 1, 101), (11, 1))  # recedes to the right

    normals = normals_of(across, relief=1.0)

    # One unit of depth over a hundred and one pixels of width: 45 degrees, but for the rim.
    expected = np.array([1.01, 0, 1]) / np.hypot(1.01, 1)
    np.testing.assert_allclose(normals[5, 50], expected, atol=1e-6)


def test_a_relief_is_a_surface_that_other_software_opens() -> None:
    image = Image.new("RGB", (40, 30), "#806040")
    depth = np.tile(np.linspace(0, 1, 40), (30, 1))

    made = relief(image, depth, 0.5, ORIGIN)

    file = Glb(made)
    assert file.description["images"][0]["mimeType"] == "image/png"
    opened = trimesh.load(io.BytesIO(made), file_type="glb", force="mesh")
    assert len(opened.faces) == 2 * 39 * 29
    np.testing.assert_allclose(opened.extents, (1.0, 29 / 39, 0.5), atol=1e-6)
    assert (opened.face_normals[:, 2] > 0).all()  # it faces the viewer


def test_light_from_one_side_brightens_what_faces_it() -> None:
    image = Image.new("RGB", (20, 10), "#808080")
    left, right = np.array([-0.7, 0, 0.714]), np.array([0.7, 0, 0.714])
    normals = np.concatenate([np.tile(left, (10, 10, 1)), np.tile(right, (10, 10, 1))], 1)

    shown = np.asarray(relit(image, normals, "sunset")).astype(int)

    # The low sun of a sunset stands at the left of the camera, and is warm.
    assert shown[:, :10].mean() > shown[:, 10:].mean() + 10
    assert shown[0, 0, 0] > shown[0, 0, 2]
