import pytest

from models.delivery import asset_of

ID = "0a" * 32


@pytest.mark.parametrize("target", [f"/assets/{ID}", f"/assets/{ID}?download=1"])
def test_an_asset_is_named_by_its_hash(target):
    assert asset_of(target) == ID


@pytest.mark.parametrize(
    "target",
    ["", "/", "/assets/", f"/assets/{ID}/", f"/assets/{ID}\n", f"/assets/{ID.upper()}",
     f"/assets/{ID}a", f"//assets/{ID}", f"/assets/../assets/{ID}", f"/assets/%30{ID[1:]}",
     f"/assets/{ID}%00"],
)  # fmt: skip
def test_anything_else_names_none(target):
    assert asset_of(target) is None
