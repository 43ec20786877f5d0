"""Official files are read, hostile ones refused, and nothing that a file names is ever run."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.core.errors import ModelUnavailable
from models.image.stylegan3.files import convert, load_generator
from models.image.stylegan3.official import parse_official, read_official
from tests.unit.image.stylegan3_files import CONFIGS, golden, official_file, official_names


@pytest.mark.parametrize("kind", ["t", "r"])
def test_an_official_file_gives_its_averaged_generator(kind: str) -> None:
    config, tensors = parse_official(official_file(kind))

    assert config == CONFIGS[kind]
    expected = {name: value for name, value in golden(kind).items() if "." in name}
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], value) for name, value in expected.items())


def test_a_converted_file_draws_the_same_picture(tmp_path: Path) -> None:
    source = tmp_path / "faces.pkl"
    source.write_bytes(official_file("t"))

    sha256 = convert(source, tmp_path / "faces")
    generator, loaded = load_generator(tmp_path / "faces")

    arrays = golden("t")
    assert loaded == sha256
    picture = generator.picture(arrays["truncated"])
    torch.testing.assert_close(picture, arrays["picture"], atol=1e-5, rtol=0)


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def _touch(path: Path) -> Calls:
    return Calls(Path.touch, path)


def _text(module: str, name: str, path: Path) -> bytes:
    """A call written by hand in the oldest protocol."""
    return f"c{module}\n{name}\n(V{path}\ntR.".encode()


def _state(meta: dict[str, Any]) -> bytes:
    with official_names():
        import torch_utils.persistence as names  # type: ignore[import-not-found]  # noqa: PLC0415

        stored = Calls(names._reconstruct_persistent_obj, meta)
        return pickle.dumps({"G_ema": stored})


def _hidden_in_a_storage(path: Path) -> bytes:
    content = official_file("t")
    weight = golden("t")["mapping.w_avg"].numpy().tobytes()
    assert content.count(weight) == 1
    # The header of a storage is a pickle within the pickle: its third part is free.
    start = content.rindex(b"\x80\x02", 0, content.index(weight))
    evil = pickle.dumps(_touch(path), 2)
    return content[:start] + evil + content[start + len(evil) :]


def _beyond_its_storage(size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    storage = torch.TypedStorage(
        wrap_storage=torch.zeros(4).untyped_storage(), dtype=torch.float32, _internal=True
    )
    tensor = Calls(torch._utils._rebuild_tensor_v2, storage, 0, size, stride, False, {})
    state = {"_parameters": {"weight": tensor}, "_buffers": {}, "_modules": {}}
    return _state({"type": "class", "version": 6, "module_src": "", "state": state})


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "a call of the system": lambda path: pickle.dumps({"G_ema": _touch(path)}),
    "a call by an instruction": lambda path: f"(S'{path}'\nios\nmkdir\n.".encode(),
    "a call by a class": lambda path: f"(cos\nmkdir\nV{path}\no.".encode(),
    "evaluated text": lambda path: _text("builtins", "eval", path),
    "an attribute of an attribute": lambda path: pickle.dumps(Calls(Path("/").joinpath, str(path))),
    "a registered extension": lambda _: b"\x80\x02\x82\x01.",
    "data outside": lambda _: b"\x80\x02X\x01\x00\x00\x00aQ.",
    "a pickle within a storage": _hidden_in_a_storage,
    "an array of objects": lambda path: pickle.dumps(
        {"G_ema": np.array([_touch(path)], dtype=object)}
    ),
    "a checkpoint of another time": lambda path: _text("dnnlib.tflib.network", "Network", path),
    "PyTorch's own loader": lambda path: pickle.dumps(Calls(torch.load, str(path))),
    "state set on a class": lambda _: b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00ab.",
    "a deep key": lambda _: b"\x80\x02})" + b"\x85" * 50_000 + b"Ns.",
    "a tensor that fills the memory": lambda _: _beyond_its_storage((2**40,), (0,)),
    "a tensor beyond its storage": lambda _: _beyond_its_storage((4, 2), (1, 1)),
    "another format": lambda _: _state({"type": "class", "version": 5, "state": {}}),
    "a cut file": lambda _: official_file("t")[:-2000],
    "no pickle": lambda _: b"\x00" * 100,
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_without_side_effects(
    make: Callable[[Path], bytes], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    file = tmp_path / "hostile.pkl"
    file.write_bytes(make(mark))

    with pytest.raises(ModelUnavailable):
        read_official(file)

    assert not mark.exists()


@pytest.mark.parametrize("name", ["a call of the system", "a call by an instruction"])
def test_the_hostile_files_would_act_elsewhere(name: str, tmp_path: Path) -> None:
    pickle.loads(HOSTILE[name](tmp_path / "mark"))

    assert (tmp_path / "mark").exists()
