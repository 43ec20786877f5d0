import json

import pytest
import torch

from models.core.errors import ModelUnavailable
from models.core.weights import load_json, load_weights, save_json, save_weights

TENSORS = {"b": torch.arange(6.0).reshape(2, 3).T, "a": torch.ones(4, dtype=torch.float16)}
NAME = "net.safetensors"


def test_saved_tensors_are_loaded(tmp_path):
    saved = save_weights(tmp_path / "weights", NAME, TENSORS, step=7)
    loaded, sha256 = load_weights(tmp_path / "weights", NAME)

    assert sha256 == saved
    assert loaded.keys() == TENSORS.keys()
    assert all(torch.equal(loaded[key], TENSORS[key]) for key in TENSORS)
    manifest = json.loads((tmp_path / "weights" / "manifest.json").read_text())
    assert manifest["files"][NAME]["step"] == 7


def test_the_same_tensors_give_the_same_folder(tmp_path):
    for name, order in (("one", "ab"), ("two", "ba")):
        save_weights(tmp_path / name, NAME, {key: TENSORS[key] for key in order}, b=1, a=2)

    for file in (NAME, "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_shared_tensors_are_saved(tmp_path):
    save_weights(tmp_path, NAME, {"a": TENSORS["a"], "tied": TENSORS["a"]})

    loaded, _ = load_weights(tmp_path, NAME)
    assert torch.equal(loaded["tied"], TENSORS["a"])


def test_json_is_kept_beside_the_tensors(tmp_path):
    save_weights(tmp_path, NAME, TENSORS)
    saved = save_json(tmp_path, "vocabulary.json", {"moon": 3})

    assert load_json(tmp_path, "vocabulary.json") == ({"moon": 3}, saved)
    assert load_weights(tmp_path, NAME)[1]


@pytest.mark.parametrize("name", ["net.pt", "net.bin", "net.pkl", "net.ckpt", "net.pth", "net"])
def test_pickles_are_refused_with_the_reason(tmp_path, name):
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")

    with pytest.raises(ModelUnavailable, match=r"pickle.*safetensors"):
        load_weights(tmp_path, name)


def _tamper(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_tamper, "not the file of its manifest"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "not the file of its manifest"),
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.with_name("manifest.json").unlink(), "is missing"),
    ],
)  # fmt: skip
def test_damaged_weights_are_refused(tmp_path, damage, words):
    save_weights(tmp_path, NAME, TENSORS)
    damage(tmp_path / NAME)

    with pytest.raises(ModelUnavailable, match=words):
        load_weights(tmp_path, NAME)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": []}', '{"files": {"a": {}}}'])
def test_a_damaged_manifest_is_refused(tmp_path, text):
    save_weights(tmp_path, NAME, TENSORS)
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(ModelUnavailable, match="no manifest"):
        load_weights(tmp_path, NAME)


def test_what_the_manifest_does_not_name_is_refused(tmp_path):
    save_weights(tmp_path, NAME, TENSORS)
    (tmp_path / "other.safetensors").write_bytes((tmp_path / NAME).read_bytes())

    for name in ("other.safetensors", "../net.safetensors"):
        with pytest.raises(ModelUnavailable, match="not in"):
            load_weights(tmp_path, name)


def test_a_name_that_is_a_path_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="plain file name"):
        save_weights(tmp_path, "../net.safetensors", TENSORS)
