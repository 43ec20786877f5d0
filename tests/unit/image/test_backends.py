"""Which backend draws a request, and what none of them draws."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from models.core.capability import ModelCard, Run, Setup
from models.core.errors import InvalidInput, ModelUnavailable
from models.core.local_store import LocalArtifactStore
from models.image.backends import Backends
from models.image.schema import BackendName, ImageRequest, ImageResult


class Named:
    """A backend that says its name."""

    def __init__(self, _setup: Setup) -> None:
        self.name: BackendName = "scene"

    def cards(self) -> tuple[ModelCard, ...]:
        return (ModelCard(name=self.name, version="1"),)

    def run(self, request: ImageRequest, run: Run) -> ImageResult:
        raise InvalidInput(f"{self.name} was asked by {run.owner} for {request.prompt}")


class Broken(Named):
    """A backend that lacks its checkpoint."""

    def __init__(self, _setup: Setup) -> None:
        self.name = "stylegan3"

    def cards(self) -> tuple[ModelCard, ...]:
        return (ModelCard(name="faces", version="1", available=False, reason="no file"),)


@pytest.fixture
def backends(tmp_path: Path) -> Backends:
    store = LocalArtifactStore(tmp_path, min_free_bytes=0)
    setup = Setup(store=store, device="cpu", cache_dir=tmp_path, data_dir=tmp_path)
    return Backends(setup, {"scene": f"{__name__}:Named", "stylegan3": f"{__name__}:Broken"})


def request(**fields: object) -> ImageRequest:
    return ImageRequest.model_validate({"prompt": "a cube", **fields})


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "scene"),
        ({"backend": "auto"}, "scene"),
        ({"backend": "auto", "model": "faces"}, "stylegan3"),
        ({"backend": "stylegan3"}, "stylegan3"),
    ],
)
def test_the_backend_named_or_that_of_the_model_draws(
    backends: Backends, fields: dict[str, object], name: str
) -> None:
    assert backends.chosen(request(**fields)).name == name


def test_every_model_is_listed_the_unavailable_with_the_reason(backends: Backends) -> None:
    assert [(c.name, c.available, c.reason) for c in backends.cards()] == [
        ("scene", True, None),
        ("faces", False, "no file"),
    ]


@pytest.mark.parametrize("fields", [{"backend": "openai"}, {"backend": "auto", "model": "none"}])
def test_what_nobody_draws_is_said(backends: Backends, fields: dict[str, object]) -> None:
    with pytest.raises(ModelUnavailable):
        backends.chosen(request(**fields))


def test_the_scene_backend_takes_no_other_model() -> None:
    with pytest.raises(ValidationError, match="'scene'"):
        request(model="sdxl")


def test_fields_without_a_meaning_are_named() -> None:
    asked = request(steps=4, negative_prompt="blue", size="64x64", seed=1)

    assert asked.foreign_to("scene") == ("negative_prompt", "steps")
    assert asked.foreign_to("diffusers") == ()
    assert request(quality="high").foreign_to("diffusers") == ("quality",)


def test_requests_of_one_class_take_about_as_long() -> None:
    def of(**fields: object) -> str:
        return ImageRequest(prompt="a cube", **fields).work_class  # type: ignore[arg-type]

    assert of() == of(size="640x480") == "scene standard, up to 1 Mpx"
    assert of(n=4, size="1024x1024") == "scene standard, up to 16 Mpx"
    assert of(backend="diffusers") == of(backend="diffusers", steps=30)
    assert of(backend="diffusers", steps=30) == "diffusers, up to 16 Mpx steps"
    assert of(backend="diffusers", steps=4) == "diffusers, up to 4 Mpx steps"
