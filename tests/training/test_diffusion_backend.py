"""Checkpoints made on the fly, drawn by the real backend: against the stock pipelines, bit for bit."""

import base64
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save

from benchmarks import tiny_checkpoint
from models.core.artifacts import Provenance
from models.core.capability import Run, Setup
from models.core.errors import (
    Cancelled,
    CapacityExceeded,
    InvalidInput,
    ModelUnavailable,
    UnknownAsset,
)
from models.core.local_store import LocalArtifactStore
from models.image.backends import Backends
from models.image.diffusion.backend import DiffusersBackend
from models.image.diffusion.layouts import diffusers, own_scheduler
from models.image.schema import ImageRequest, ImageResult

SIZE = 64
ANYBODY = Run()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoints")
    tiny_checkpoint.sdxl(folder / "xl")
    tiny_checkpoint.sd(folder / "one")
    tiny_checkpoint.sd(folder / "painter", in_channels=9)
    tiny_checkpoint.sd(folder / "quick", distilled=True)
    adapters = folder / "adapters"
    adapters.mkdir()
    for seed, name in enumerate(("red", "blue")):
        tensors = tiny_checkpoint.lora(folder / "xl", seed=seed)
        (adapters / f"{name}.safetensors").write_bytes(save(tensors))
    voiced = tiny_checkpoint.lora(folder / "xl", seed=5) | tiny_checkpoint.text_lora(folder / "xl")
    (adapters / "voiced.safetensors").write_bytes(save(voiced))
    (adapters / "foreign.safetensors").write_bytes(save(foreign(voiced)))
    return folder


@pytest.fixture(scope="module")
def backend(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> DiffusersBackend:
    return built(shelf, tmp_path_factory.mktemp("store"))


def built(shelf: Path, folder: Path, **options: Any) -> DiffusersBackend:
    store = LocalArtifactStore(folder, min_free_bytes=0)
    chosen = {
        "checkpoints": str(shelf),
        "adapters": str(shelf / "adapters"),
        "hub": [],
        "resident": 4,
        **options,
    }
    return DiffusersBackend(Setup(store, "cpu", folder, folder, {"diffusers": chosen}))


def request(model: str = "xl", **fields: Any) -> ImageRequest:
    body = {"prompt": "a red cube", "backend": "diffusers", "model": model, "seed": 3, "steps": 4}
    return ImageRequest.model_validate({**body, "size": f"{SIZE}x{SIZE}", **fields})


def pixels(backend: DiffusersBackend, result: ImageResult, owner: str = "local") -> list[bytes]:
    return [pixels_of(b"".join(backend._store.read(p.asset.id, owner))) for p in result.images]


def pixels_of(content: bytes) -> bytes:
    return Image.open(io.BytesIO(content)).tobytes()


def draw(backend: DiffusersBackend, run: Run = ANYBODY, **fields: Any) -> bytes:
    return pixels(backend, backend.run(request(**fields), run), run.owner)[0]


@lru_cache
def stock(folder: Path, kind: str) -> Any:
    pipeline = getattr(diffusers(), kind).from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stock_pixels(pipeline: Any, scheduler: Any = None, **arguments: Any) -> bytes:
    configured = pipeline.scheduler
    pipeline.scheduler = own_scheduler(configured, scheduler)
    try:
        generator = torch.Generator().manual_seed(3)
        wanted = {"prompt": "a red cube", "num_inference_steps": 4, "generator": generator}
        return bytes(pipeline(**wanted, **arguments).images[0].tobytes())
    finally:
        pipeline.scheduler = configured


def picture(seed: int = 0) -> Image.Image:
    values = torch.randint(0, 256, (SIZE, SIZE, 3), generator=torch.Generator().manual_seed(seed))
    return Image.fromarray(values.to(torch.uint8).numpy())


def half_mask() -> Image.Image:
    mask = Image.new("L", (SIZE, SIZE), 0)
    mask.paste(255, (0, 0, SIZE // 2, SIZE))
    return mask


def source(image: Image.Image) -> dict[str, str]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"base64": base64.b64encode(buffer.getvalue()).decode()}


@pytest.mark.parametrize(
    ("fields", "arguments"),
    [
        ({}, {}),
        ({"guidance": 1.0}, {"guidance_scale": 1.0}),
        ({"guidance": 7.5, "negative_prompt": "blue"},
         {"guidance_scale": 7.5, "negative_prompt": "blue"}),
        ({"scheduler": "ddim"}, {"scheduler": "ddim"}),
        ({"scheduler": "euler-a"}, {"scheduler": "euler-a"}),
        ({"scheduler": "dpm++2m-karras"}, {"scheduler": "dpm++2m-karras"}),
        ({"scheduler": "heun"}, {"scheduler": "heun"}),
        ({"scheduler": "unipc"}, {"scheduler": "unipc"}),
        ({"size": f"{2 * SIZE}x{SIZE}"}, {"width": 2 * SIZE}),
    ],
)  # fmt: skip
def test_a_request_alone_gives_the_bytes_of_the_stock_pipeline(
    backend: DiffusersBackend, shelf: Path, fields: dict[str, Any], arguments: dict[str, Any]
) -> None:
    wanted = {"height": SIZE, "width": SIZE, "guidance_scale": 5.0, **arguments}

    assert draw(backend, **fields) == stock_pixels(
        stock(shelf / "xl", "StableDiffusionXLPipeline"), **wanted
    )


def test_so_does_one_of_stable_diffusion_1(backend: DiffusersBackend, shelf: Path) -> None:
    pipeline = stock(shelf / "one", "StableDiffusionPipeline")

    assert draw(backend, model="one") == stock_pixels(
        pipeline, height=SIZE, width=SIZE, guidance_scale=5.0
    )


@pytest.mark.parametrize(
    ("model", "kind"),
    [("xl", "StableDiffusionXLImg2ImgPipeline"), ("one", "StableDiffusionImg2ImgPipeline")],
)
@pytest.mark.parametrize("scheduler", ["euler", "euler-a"])
def test_a_given_picture_is_changed_as_the_stock_pipeline_does(
    backend: DiffusersBackend, shelf: Path, model: str, kind: str, scheduler: str
) -> None:
    drawn = draw(backend, model=model, image=source(picture()), strength=0.6, scheduler=scheduler)

    assert drawn == stock_pixels(
        stock(shelf / model, kind), scheduler, image=picture(), strength=0.6, guidance_scale=5.0
    )


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("xl", "StableDiffusionXLInpaintPipeline"),
        ("one", "StableDiffusionInpaintPipeline"),
        ("painter", "StableDiffusionInpaintPipeline"),
    ],
)
@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_a_part_is_painted_anew_as_the_stock_pipeline_does(
    backend: DiffusersBackend, shelf: Path, model: str, kind: str, strength: float
) -> None:
    given = {"image": source(picture()), "mask": source(half_mask()), "strength": strength}
    drawn = draw(backend, model=model, **given)

    assert drawn == stock_pixels(
        stock(shelf / model, kind),
        image=picture(),
        mask_image=half_mask(),
        strength=strength,
        height=SIZE,
        width=SIZE,
        guidance_scale=5.0,
    )


def mixed() -> list[ImageRequest]:
    red, blue = {"name": "red", "weight": 0.7}, {"name": "blue", "weight": 1.2}
    return [
        request(seed=1, steps=7, reproducible=True),
        request(seed=2, steps=3, guidance=1.0, reproducible=True),
        request(seed=3, steps=5, adapters=[red], reproducible=True),
        request(seed=4, steps=4, adapters=[red, blue], scheduler="euler-a", reproducible=True),
        request(seed=5, steps=6, adapters=[blue], guidance=1.0, reproducible=True),
        request(seed=6, steps=5, scheduler="dpm++2m"),
    ]


def test_reproducible_bytes_do_not_depend_on_the_neighbours(backend: DiffusersBackend) -> None:
    alone = [pixels(backend, backend.run(asked, Run()))[0] for asked in mixed()]
    with ThreadPoolExecutor(len(mixed())) as threads:
        for order in (1, -1):
            together = list(threads.map(lambda r: backend.run(r, Run()), mixed()[::order]))
            drawn = [pixels(backend, result)[0] for result in together][::order]

            assert drawn[:5] == alone[:5]


@pytest.mark.parametrize("name", ["red", "voiced"])  # "voiced" changes the text encoders as well
def test_an_adapter_alone_is_what_peft_makes_of_it(
    backend: DiffusersBackend, shelf: Path, name: str
) -> None:
    pipeline = stock(shelf / "xl", "StableDiffusionXLPipeline")
    pipeline.load_lora_weights(str(shelf / "adapters"), weight_name=f"{name}.safetensors")
    pipeline.set_adapters(["default_0"], [0.7])
    try:
        wanted = stock_pixels(pipeline, height=SIZE, width=SIZE, guidance_scale=5.0)
    finally:
        pipeline.unload_lora_weights()
    plain = draw(backend)
    drawn = draw(backend, adapters=[{"name": name, "weight": 0.7}])
    difference = [abs(a - b) for a, b in zip(drawn, wanted, strict=True)]

    assert max(difference) <= 1
    assert drawn != plain
    assert draw(backend) == plain


def foreign(tensors: dict[str, Any]) -> dict[str, Any]:
    """An adapter of rank 4 as other trainers write it, its scale halved by an alpha of 2."""
    parts = {"unet.": "unet.", "text_encoder.": "te1.text_model.", "text_encoder_2.": "te2."}
    written = {}
    for name, tensor in tensors.items():
        layer, _, side = name.partition(".lora_")
        for part, other in parts.items():
            if layer.startswith(part):
                flat = "lora_" + (other + layer.removeprefix(part)).replace(".", "_")
        kind = {"A.weight": "down", "B.weight": "up"}[side]
        written |= {f"{flat}.lora_{kind}.weight": tensor, f"{flat}.alpha": torch.tensor(2.0)}
    return written


def test_an_adapter_as_other_trainers_write_it_is_the_same_one(backend: DiffusersBackend) -> None:
    own = draw(backend, adapters=[{"name": "voiced", "weight": 0.4}])
    read = draw(backend, adapters=[{"name": "foreign", "weight": 0.8}])

    assert max(abs(a - b) for a, b in zip(own, read, strict=True)) <= 1


def test_what_the_engine_does_not_know_is_drawn_by_its_own_pipeline(
    backend: DiffusersBackend, shelf: Path
) -> None:
    fractions: list[float] = []
    run = Run(progress=lambda fraction, _stage: fractions.append(fraction))
    result = backend.run(request("quick"), run)
    pipeline = stock(shelf / "quick", "LatentConsistencyModelPipeline")
    card = next(card for card in backend.cards() if card.name == "quick")

    assert pixels(backend, result)[0] == stock_pixels(
        pipeline, height=SIZE, width=SIZE, guidance_scale=5.0
    )
    assert "wait for each other" in result.degraded[0]
    assert "one picture at a time" in (card.reason or "")
    assert fractions == sorted(fractions)
    with pytest.raises(Cancelled):
        backend.run(request("quick"), Run(cancelled=lambda: bool(fractions)))


def test_n_pictures_have_seeds_in_a_row(backend: DiffusersBackend) -> None:
    result = backend.run(request(n=3, seed=8), Run())
    single = pixels(backend, backend.run(request(seed=10), Run()))[0]
    far = max(abs(a - b) for a, b in zip(pixels(backend, result)[2], single, strict=True))

    assert [p.seed for p in result.images] == [8, 9, 10]
    assert far <= 1
    assert result.timings_s["first_step"] <= result.timings_s["steps"]


def test_progress_rises_and_previews_are_pictures(backend: DiffusersBackend) -> None:
    fractions: list[float] = []
    previews: list[bytes] = []
    run = Run(
        progress=lambda fraction, _stage: fractions.append(fraction),
        preview=lambda content, _media_type: previews.append(content),
    )
    backend.run(request(steps=6, preview_every=2), run)

    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 6
    assert previews
    assert Image.open(io.BytesIO(previews[0])).size == (SIZE, SIZE)


def test_who_leaves_frees_the_rows_long_before_the_last_step(backend: DiffusersBackend) -> None:
    draw(backend)
    engine = backend._residents.loaded(key(backend)).engine  # type: ignore[union-attr]
    left = threading.Event()
    run = Run(cancelled=left.is_set, progress=lambda f, _s: left.set() if f > 0.02 else None)
    before = engine.tally.calls
    with pytest.raises(Cancelled):
        backend.run(request(steps=150, guidance=2.0), run)
    while engine.load():
        time.sleep(0.01)

    assert engine.tally.calls - before < 100


def key(backend: DiffusersBackend) -> tuple[str, str]:
    found = backend._found("xl")
    return found.name, found.version


def test_a_deadline_that_passes_ends_the_request(backend: DiffusersBackend) -> None:
    with pytest.raises(CapacityExceeded, match="deadline"):
        backend.run(request(steps=150, deadline_s=0.05), Run())


def test_an_adapter_of_somebody_else_does_not_exist(backend: DiffusersBackend, shelf: Path) -> None:
    content = (shelf / "adapters" / "red.safetensors").read_bytes()
    origin = Provenance(capability="image", backend="diffusers")
    asset = backend._store.put(
        content,
        owner="anna",
        media_type="application/octet-stream",
        filename="a",
        provenance=origin,
    )
    mine = draw(backend, Run(owner="anna"), adapters=[{"name": asset.id}])

    assert mine == draw(backend, adapters=[{"name": "red"}])
    with pytest.raises(UnknownAsset):
        draw(backend, Run(owner="bert"), adapters=[{"name": asset.id}])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"size": "66x64"}, "multiples of 8"),
        ({"format": "exr"}, "8-bit"),
        ({"quality": "high"}, "quality"),
        ({"model": "painter"}, "inpaint"),
        ({"image": {"base64": "AAAA"}}, "cannot be read"),
        ({"image": {"base64": "?"}}, "base64"),
        ({"model": "one", "adapters": [{"name": "red"}]}, "does not fit"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    backend: DiffusersBackend, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        backend.run(request(**fields), Run())


def test_checkpoints_are_listed_the_unusable_with_the_reason(tmp_path: Path, shelf: Path) -> None:
    broken = tmp_path / "shelf" / "pickled"
    broken.mkdir(parents=True)
    (broken / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    backend = built(tmp_path / "shelf", tmp_path, hub=["nobody/nothing"], adapters=None)
    cards = {card.name: card for card in backend.cards()}

    assert not cards["pickled"].available
    assert "safetensors" in (cards["pickled"].reason or "")
    assert "hf download nobody/nothing" in (cards["nobody/nothing"].reason or "")
    for name in cards:
        with pytest.raises(ModelUnavailable):
            backend.run(request(name), Run())
    assert {card.name for card in built(shelf, tmp_path).cards()} == {
        "one", "painter", "quick", "xl", "adapter:red", "adapter:blue",
        "adapter:voiced", "adapter:foreign",
    }  # fmt: skip


def test_the_service_lists_them_beside_its_own(shelf: Path, tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path, min_free_bytes=0)
    options = {"diffusers": {"checkpoints": str(shelf), "hub": []}}
    classes = {"diffusers": "models.image.diffusion.backend:DiffusersBackend"}
    backends = Backends(Setup(store, "cpu", tmp_path, tmp_path, options), classes)  # type: ignore[arg-type]

    assert backends.chosen(request(backend="auto")).name == "diffusers"
