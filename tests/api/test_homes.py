"""Where a request is at home: with a replica that has its checkpoint and adapters in memory."""

from typing import Any

from deployments.homes import address as address_of_home
from graphs.app import address_of
from graphs.catalogue import CATALOGUE
from models.image.schema import ImageRequest

IMAGE = next(entry for entry in CATALOGUE if entry.name == "image")


def address(*adapters: str, **fields: Any) -> str:
    wanted = [{"name": name} for name in adapters]
    body = {"prompt": "a cube", "backend": "diffusers", "adapters": wanted, **fields}
    return address_of(IMAGE, ImageRequest.model_validate(body))


def test_requests_with_the_same_adapters_have_one_home() -> None:
    assert address("red", "blue") == address("blue", "red", prompt="a cat", seed=3)
    assert len({address("red"), address("blue"), address("red", model="xl")}) == 3


def test_a_checkpoint_is_the_home_of_requests_for_nothing_else() -> None:
    assert address(model="xl") == address_of_home("xl") != address("red", model="xl")
    assert address(model="xl", backend="auto") == ""


def test_without_a_name_any_replica_will_do() -> None:
    assert address() == ""
    others = [entry for entry in CATALOGUE if entry.home is None]
    assert {address_of(entry, entry.request.model_construct()) for entry in others} == {""}


def test_what_metrics_show_names_no_adapter() -> None:
    assert "secret" not in address("secret-project")
