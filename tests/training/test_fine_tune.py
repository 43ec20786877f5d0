"""A subject is learned from a few photos, on a checkpoint made on the fly."""

import base64
import io
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load

from benchmarks import tiny_checkpoint
from models.core.capability import Run, Setup
from models.core.errors import Cancelled, CapacityExceeded, ModelUnavailable, UnknownAsset
from models.core.local_store import LocalArtifactStore
from models.image.diffusion.backend import DiffusersBackend
from models.image.diffusion.checkpoint import load_pipeline
from models.image.diffusion.dreambooth import PREPARED
from models.image.diffusion.shelf import Shelf
from models.image.fine_tune import FineTuneRequest
from models.image.options import DiffusersOptions
from models.image.schema import ImageRequest

SIDE = 64


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoints")
    tiny_checkpoint.sdxl(folder / "xl")
    return folder


@pytest.fixture
def backend(shelf: Path, tmp_path: Path) -> DiffusersBackend:
    store = LocalArtifactStore(tmp_path / "store", min_free_bytes=0)
    options = {"diffusers": {"checkpoints": str(shelf), "hub": []}}
    return DiffusersBackend(Setup(store, "cpu", tmp_path, tmp_path, options))


def photo(seed: int) -> dict[str, str]:
    values = torch.randint(0, 256, (80, 70, 3), generator=torch.Generator().manual_seed(seed))
    buffer = io.BytesIO()
    Image.fromarray(values.to(torch.uint8).numpy()).save(buffer, "PNG")
    return {"base64": base64.b64encode(buffer.getvalue()).decode()}


def lesson(**fields: Any) -> FineTuneRequest:
    body = {"photos": [photo(n) for n in range(4)], "instance": "sks cube", "steps": 30}
    return FineTuneRequest.model_validate(
        {**body, "rank": 4, "learning_rate": 1e-2, "size_px": SIDE, **fields}
    )


def test_the_loss_falls_and_the_adapter_changes_the_owners_pictures(
    backend: DiffusersBackend,
) -> None:
    fractions: list[float] = []
    anna = Run(owner="anna")
    followed = Run(owner="anna", progress=lambda fraction, _stage: fractions.append(fraction))
    taught = backend.fine_tune(lesson(steps=40), followed)
    # The same steps with the same noise, but nothing is learned.
    idle = backend.fine_tune(lesson(steps=40, learning_rate=1e-12), Run(owner="carl"))
    wanted = {"prompt": "sks cube", "backend": "diffusers", "seed": 1, "steps": 2,
              "size": f"{SIDE}x{SIDE}"}  # fmt: skip
    plain = backend.run(ImageRequest.model_validate(wanted), anna)
    adapted = {**wanted, "adapters": [{"name": taught.adapter.id}]}
    changed = backend.run(ImageRequest.model_validate(adapted), anna)
    curve, flat = ([point.loss for point in found.losses] for found in (taught, idle))

    assert curve[0] == flat[0]
    assert sum(curve[-10:]) < 0.99 * sum(flat[-10:])
    assert taught.losses[-1].step == 40
    assert fractions == sorted(fractions)
    assert changed.images[0].asset.id != plain.images[0].asset.id
    with pytest.raises(UnknownAsset):
        backend.run(ImageRequest.model_validate(adapted), Run(owner="bert"))


def test_an_interrupted_course_goes_on_and_ends_with_the_same_bytes(
    backend: DiffusersBackend,
) -> None:
    whole = backend.fine_tune(lesson(), Run(owner="anna"))
    seen: list[float] = []

    def leave() -> bool:
        return len(seen) > 30

    with pytest.raises(Cancelled):
        backend.fine_tune(
            lesson(), Run(owner="bert", cancelled=leave, progress=lambda f, _s: seen.append(f))
        )
    resumed = backend.fine_tune(lesson(), Run(owner="bert"))

    assert resumed.resumed_from == 25
    assert resumed.adapter.id == whole.adapter.id
    assert resumed.losses == whole.losses


def test_a_subject_is_learned_while_other_threads_load_checkpoints(
    backend: DiffusersBackend, shelf: Path
) -> None:
    options = DiffusersOptions(checkpoints=shelf, hub=(), dtype="float16")
    ended, xl = threading.Event(), Shelf(options).find("xl")
    assert xl is not None

    def load() -> None:
        while not ended.is_set():
            load_pipeline(xl, xl.layout, options, "cpu")

    others = [threading.Thread(target=load) for _ in range(2)]
    for other in others:
        other.start()
    try:
        beside = [backend.fine_tune(lesson(steps=1, seed=n), Run()).losses for n in range(4)]
    finally:
        ended.set()
        for other in others:
            other.join()

    alone = [backend.fine_tune(lesson(steps=1, seed=n), Run()).losses for n in range(4)]
    assert beside == alone


def test_pictures_of_the_kind_are_learned_beside_the_subject(backend: DiffusersBackend) -> None:
    with_prior = lesson(steps=2, kind="cube", prior_pictures=2)
    taught = backend.fine_tune(with_prior, Run())
    tensors = load(b"".join(backend._store.read(taught.adapter.id, "local")))

    assert taught.adapter.id != backend.fine_tune(lesson(steps=2), Run()).adapter.id
    assert len(tensors) == 2 * taught.layers
    assert {tensor.shape[0] for name, tensor in tensors.items() if "lora_A" in name} == {4}


def test_cancelling_ends_it_within_a_step(backend: DiffusersBackend) -> None:
    told: list[float] = []
    run = Run(cancelled=lambda: bool(told) and told[-1] > 0.11,
              progress=lambda fraction, _stage: told.append(fraction))  # fmt: skip
    with pytest.raises(Cancelled):
        backend.fine_tune(lesson(steps=4000), run)

    assert sum(fraction > 0.11 for fraction in told) == 1


def test_own_adapters_are_listed_and_used_by_name(backend: DiffusersBackend) -> None:
    anna = Run(owner="anna")
    unnamed = backend.fine_tune(lesson(steps=1), anna)
    older = backend.fine_tune(lesson(steps=1, name="mine"), anna)
    newer = backend.fine_tune(lesson(steps=2, name="mine"), anna)
    listed = backend.adapters(anna).adapters
    wanted = {"prompt": "sks cube", "backend": "diffusers", "seed": 1, "steps": 1,
              "size": f"{SIDE}x{SIDE}"}  # fmt: skip

    def drawn(name: str, run: Run = anna) -> str:
        adapted = {**wanted, "adapters": [{"name": name}]}
        return backend.run(ImageRequest.model_validate(adapted), run).images[0].asset.id

    assert [(card.name, card.asset) for card in listed] == [
        ("mine", newer.adapter), ("mine", older.adapter), ("sks-cube", unnamed.adapter)
    ]  # fmt: skip
    assert {(card.origin, card.model) for card in listed} == {("own", "xl")}
    assert drawn("mine") == drawn(newer.adapter.id)
    assert drawn("sks-cube") == drawn(unnamed.adapter.id)
    assert backend.adapters(Run(owner="bert")).adapters == ()
    with pytest.raises(UnknownAsset):
        drawn("mine", Run(owner="bert"))


def test_a_third_course_at_a_time_is_told_to_come_back(backend: DiffusersBackend) -> None:
    left = threading.Event()
    began = threading.Barrier(2, timeout=30)
    learning, in_line, looks = [True], threading.Event(), [0]

    def looked() -> bool:
        looks[0] += 1
        if looks[0] > 1:  # the first look comes before it stands in line
            in_line.set()
        return left.is_set()

    def progress(fraction: float, _stage: str) -> None:
        if fraction > PREPARED and learning.pop(0):
            began.wait()

    def course(run: Run) -> None:
        with pytest.raises(Cancelled):
            backend.fine_tune(lesson(steps=4000), run)

    learning += [False] * 4000
    first = Run(cancelled=left.is_set, progress=progress)
    waiting = Run(cancelled=looked)
    threads = [threading.Thread(target=course, args=(run,)) for run in (first, waiting)]
    try:
        threads[0].start()
        began.wait()
        threads[1].start()
        assert in_line.wait(30)
        with pytest.raises(CapacityExceeded, match="under way"):
            backend.fine_tune(lesson(), Run())
    finally:
        left.set()
        for thread in threads:
            thread.join(10)


@pytest.mark.parametrize(
    "fields",
    [
        {"photos": [photo(0)] * 3},
        {"photos": [photo(0)] * 21},
        {"instance": " "},
        {"name": "a/b"},
        {"name": "0" * 64},
        {"prior_pictures": 3},
        {"size_px": 100},
    ],
)
def test_what_cannot_be_taught_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        lesson(**fields)


def test_without_a_checkpoint_it_says_what_to_do(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "store", min_free_bytes=0)
    backend = DiffusersBackend(
        Setup(store, "cpu", tmp_path, tmp_path, {"diffusers": {"hub": ["nobody/nothing"]}})
    )
    with pytest.raises(ModelUnavailable, match="models"):
        backend.fine_tune(lesson(), Run())
