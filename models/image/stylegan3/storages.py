"""Storages of tensors in the format that PyTorch wrote into pickles: a header, then raw numbers."""

import sys
from io import BytesIO

import torch
from torch import Tensor

from models.core.errors import ModelUnavailable
from models.image.stylegan3.pickle_machine import Global, Inert, Reference, read_pickle

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
DTYPES = {
    Global("torch", "FloatStorage"): torch.float32,
    Global("torch", "HalfStorage"): torch.float16,
    Global("torch", "DoubleStorage"): torch.float64,
    Global("torch", "LongStorage"): torch.int64,
    Global("torch", "IntStorage"): torch.int32,
}


def read_storage(content: Inert) -> Tensor:
    """The numbers of a storage, `(N,)`.

    Raises:
        ModelUnavailable: It is damaged, or of a type that generators do not have.
    """
    if not isinstance(content, bytes) or sys.byteorder != "little":
        raise ModelUnavailable("a storage of the checkpoint cannot be read")
    file = BytesIO(content)
    magic, protocol = read_pickle(file, ()), read_pickle(file, ())
    read_pickle(file, ())  # of the machine that wrote it
    described = read_pickle(file, DTYPES, references=True)
    keys = read_pickle(file, ())
    if magic != MAGIC or protocol != PROTOCOL or not isinstance(described, Reference):
        raise ModelUnavailable("a storage of the checkpoint is of an unknown format")
    dtype, key, count = _header(described.key)
    data = file.read()
    size = count * dtype.itemsize
    if keys != [key] or int.from_bytes(data[:8], "little") != count or len(data) != 8 + size:
        raise ModelUnavailable("a storage of the checkpoint is not as long as it says")
    return torch.frombuffer(bytearray(data[8:]), dtype=dtype)


def _header(described: Inert) -> tuple[torch.dtype, str, int]:
    """Type, name and number of elements."""
    if not isinstance(described, tuple) or len(described) < 5 or described[0] != "storage":
        raise ModelUnavailable("a storage of the checkpoint is of an unknown format")
    kind, key, _, count = described[1:5]
    dtype = DTYPES.get(kind) if isinstance(kind, Global) else None
    if dtype is None or not isinstance(key, str) or type(count) is not int or count < 1:
        raise ModelUnavailable("a storage of the checkpoint is of an unknown type")
    return dtype, key, count
