"""Official checkpoints (`.pkl`): their generator's arrays and settings, without running them.

A file holds `G`, `D` and `G_ema`. Each is stored as the source code of its class beside its
attributes; the attributes are read, the source never is.
"""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from models.core.errors import ModelUnavailable
from models.image.stylegan3.pickle_machine import Call, Global, Inert, read_pickle
from models.image.stylegan3.plan import GeneratorConfig
from models.image.stylegan3.storages import read_storage

MAX_FILE_BYTES = 2 * 2**30
MAX_DEPTH = 8
PERSISTENCE_VERSION = 6

EASY_DICT = Global("dnnlib.util", "EasyDict")
OBJECT = Global("torch_utils.persistence", "_reconstruct_persistent_obj")
ORDERED_DICT = Global("collections", "OrderedDict")
PARAMETER = Global("torch._utils", "_rebuild_parameter")
TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
STORAGE = Global("torch.storage", "_load_from_bytes")
ALLOWED = frozenset(
    {
        EASY_DICT,
        OBJECT,
        ORDERED_DICT,
        PARAMETER,
        TENSOR,
        STORAGE,
        Global("numpy", "dtype"),
        Global("numpy", "ndarray"),
        *(
            Global(module, name)
            for module in ("numpy.core.multiarray", "numpy._core.multiarray")
            for name in ("_reconstruct", "scalar")
        ),
    }
)


def read_official(path: Path) -> tuple[GeneratorConfig, dict[str, Tensor], str]:
    """The averaged generator of a checkpoint.

    Returns:
        Its settings, its parameters and buffers, and the SHA-256 of the file.

    Raises:
        ModelUnavailable: The file is no StyleGAN3 checkpoint, or contains what none needs.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelUnavailable(f"{path.name} is larger than any checkpoint of StyleGAN3")
        content = path.read_bytes()
    except OSError as error:
        raise ModelUnavailable(f"{path.name} cannot be read: {error.strerror}") from error
    config, tensors = parse_official(content)
    return config, tensors, hashlib.sha256(content).hexdigest()


def parse_official(content: bytes) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    """See `read_official`; the bytes of a file."""
    root = read_pickle(BytesIO(content), ALLOWED)
    _refuse_object_arrays(root)
    if not isinstance(root, dict) or "G_ema" not in root:
        raise ModelUnavailable("the file has no G_ema; expected a checkpoint of StyleGAN3")
    attributes = _attributes(root["G_ema"])
    reader = _Arrays()
    tensors = dict(reader.of(root["G_ema"], ""))
    return _config(attributes, tensors), tensors


def _config(attributes: dict[Inert, Inert], tensors: dict[str, Tensor]) -> GeneratorConfig:
    """Settings from the constructor's arguments and attributes of the generator."""
    given = _mapping(attributes.get("_init_kwargs", {}))
    for name, expected in _FIXED.items():
        if name in given and given[name] != expected:
            raise ModelUnavailable(f"{name} differs from {expected}, which is not supported")
    values = {
        name: attributes.get(name, given.get(name))
        for name in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")
    }
    # It is given by keyword, by a default, or not at all: the arrays know.
    layers = sum(name.startswith("mapping.fc") and name.endswith("weight") for name in tensors)
    extra = {name: given[name] for name in ("output_scale", "conv_clamp") if name in given}
    try:
        return GeneratorConfig.model_validate({**values, **extra, "mapping_layers": layers})
    except ValidationError as error:
        raise ModelUnavailable("G_ema is no generator of StyleGAN3") from error


_FIXED = {"num_layers": 14, "num_critical": 2, "first_cutoff": 2, "margin_size": 10}
"""Settings that no official checkpoint changes."""


def _attributes(module: Inert) -> dict[Inert, Inert]:
    """Attributes of a stored object."""
    if not isinstance(module, Call) or module.function != OBJECT or len(module.arguments) != 1:
        raise ModelUnavailable("a module of the checkpoint is stored in an unknown way")
    meta = _mapping(module.arguments[0])
    if meta.get("type") != "class" or meta.get("version") != PERSISTENCE_VERSION:
        raise ModelUnavailable(
            "the checkpoint is of another format; expected one of the official StyleGAN3 programs"
        )
    return _mapping(meta.get("state"))


def _mapping(value: Inert) -> dict[Inert, Inert]:
    if isinstance(value, Call) and value.function in (EASY_DICT, ORDERED_DICT):
        return value.items
    if isinstance(value, dict):
        return value
    raise ModelUnavailable("the checkpoint is damaged: expected a dictionary")


class _Arrays:
    """Collects parameters and buffers; a storage that several share is decoded once."""

    def __init__(self) -> None:
        self._storages: dict[int, Tensor] = {}

    def of(self, module: Inert, prefix: str, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
        if depth > MAX_DEPTH:
            raise ModelUnavailable("the modules of the checkpoint are nested too deeply")
        attributes = _attributes(module)
        for group in ("_parameters", "_buffers"):
            for name, value in _mapping(attributes.get(group, {})).items():
                if value is not None:
                    yield f"{prefix}{name}", self._tensor(value)
        for name, child in _mapping(attributes.get("_modules", {})).items():
            if child is not None:
                yield from self.of(child, f"{prefix}{name}.", depth + 1)

    def _tensor(self, value: Inert) -> Tensor:
        if isinstance(value, Call) and value.function == PARAMETER and value.arguments:
            value = value.arguments[0]
        if not isinstance(value, Call) or value.function != TENSOR or len(value.arguments) < 4:
            raise ModelUnavailable("a parameter of the checkpoint is no tensor")
        storage, offset, size, stride = value.arguments[:4]
        return _view(self._storage(storage), offset, size, stride)

    def _storage(self, value: Inert) -> Tensor:
        if id(value) not in self._storages:
            if not isinstance(value, Call) or value.function != STORAGE or not value.arguments:
                raise ModelUnavailable("a tensor of the checkpoint has no storage")
            self._storages[id(value)] = read_storage(value.arguments[0])
        return self._storages[id(value)]


def _view(storage: Tensor, offset: Inert, size: Inert, stride: Inert) -> Tensor:
    """A copy of what a tensor sees of its storage, as float32."""
    numbers = (offset, *_numbers(size), *_numbers(stride))
    if any(type(n) is not int or not 0 <= n < MAX_FILE_BYTES for n in numbers) or (
        len(size) != len(stride)
    ):
        raise ModelUnavailable("a tensor of the checkpoint has a shape that is none")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    count = 1
    for n in size:
        count *= n
    # The second condition refuses strides of 0, with which a few bytes fill the memory.
    if count < 1 or last >= len(storage) or count > len(storage):
        raise ModelUnavailable("a tensor of the checkpoint reaches beyond its storage")
    return torch.as_strided(storage, size, stride, offset).to(torch.float32, copy=True).contiguous()


def _numbers(value: Inert) -> tuple[Inert, ...]:
    return value if isinstance(value, tuple) and len(value) <= MAX_DEPTH else (None,)


def _plain_dtype(arguments: tuple[Inert, ...]) -> bool:
    kind = arguments[0] if arguments else None
    return isinstance(kind, str) and kind.lstrip("<>=|")[:1] in tuple("biufSU")


def _refuse_object_arrays(root: Inert) -> None:
    """Arrays of objects hold pickled values of any kind."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Call):
            if value.function == Global("numpy", "dtype") and not _plain_dtype(value.arguments):
                raise ModelUnavailable("the checkpoint has an array of objects; it is not read")
            waiting += [*value.arguments, value.state, *value.items.values()]
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
