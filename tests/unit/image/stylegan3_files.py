"""StyleGAN3 generators made on the fly, and files as the official programs write them."""

import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.image.stylegan3.plan import GeneratorConfig

GOLDEN = Path(__file__).parent / "golden"
CONFIGS = {
    "t": GeneratorConfig(z_dim=12, w_dim=16, img_resolution=32),
    "r": GeneratorConfig(z_dim=12, c_dim=3, w_dim=16, img_resolution=32),
}


def golden(kind: str) -> dict[str, Tensor]:
    """Arrays of a small generator and what it gives; see `golden/ORIGIN.md`."""
    with np.load(GOLDEN / f"stylegan3-{kind}.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file}


def parameters(kind: str) -> dict[str, Tensor]:
    """Those that belong to the generator."""
    return {name: value for name, value in golden(kind).items() if "." in name}


class _Stored:
    """Pickles like an object of the official programs: class source beside its attributes."""

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('the source was run')",
            "class_name": class_name,
            "state": state,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return (sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,))


@contextmanager
def official_names() -> Iterator[type]:
    """Lets pickle write the names that official files contain; gives their dictionary class."""
    names = ("dnnlib", "dnnlib.util", "torch_utils", "torch_utils.persistence")
    modules = {name: types.ModuleType(name) for name in names}
    easy = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    modules["dnnlib.util"].EasyDict = easy  # type: ignore[attr-defined]

    def _reconstruct_persistent_obj(meta: object) -> None:
        raise AssertionError("the reader called what it must not call")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    modules["torch_utils.persistence"]._reconstruct_persistent_obj = (  # type: ignore[attr-defined]
        _reconstruct_persistent_obj
    )
    sys.modules.update(modules)
    try:
        yield easy
    finally:
        for name in names:
            del sys.modules[name]


def official_file(kind: str, **changes: Any) -> bytes:
    """A checkpoint with the generator of `golden(kind)`; `changes` replace entries of the root."""
    config = CONFIGS[kind]
    with official_names() as easy:
        given = easy(z_dim=config.z_dim, w_dim=config.w_dim, mapping_kwargs=easy(num_layers=2))
        shape = {"c_dim": config.c_dim, "img_resolution": config.img_resolution, "img_channels": 3}
        own = {"z_dim": config.z_dim, "w_dim": config.w_dim, "_init_kwargs": given | shape, **shape}
        network = _module("Generator", _tree(parameters(kind)), own)
        root = {"G": None, "D": None, "G_ema": network, "training_set_kwargs": easy(path="/x")}
        return pickle.dumps(root | changes)


def _tree(tensors: dict[str, Tensor]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in tensors.items():
        *folders, leaf = name.split(".")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = value
    return tree


def _module(class_name: str, tree: dict[str, Any], own: dict[str, Any]) -> _Stored:
    leaves = {name: value for name, value in tree.items() if isinstance(value, Tensor)}
    learned = {"weight", "bias"}
    state = {
        "training": False,
        "_parameters": OrderedDict(
            (name, torch.nn.Parameter(value)) for name, value in leaves.items() if name in learned
        ),
        "_buffers": OrderedDict(
            (name, value) for name, value in leaves.items() if name not in learned
        ),
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": OrderedDict(),
        "_modules": OrderedDict(
            (name, _module("Layer", child, {}))
            for name, child in tree.items()
            if isinstance(child, dict)
        ),
        "size": np.array([4, 4]),
        "bandwidth": np.float64(2.0),
        **own,
    }
    return _Stored(class_name, state)
