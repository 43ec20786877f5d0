"""Which kernels of attention a device has."""

import importlib
import importlib.util


def xformers_works(device: str) -> bool:
    """Whether xformers' kernels are loaded: the package says that it is there even without any."""
    if device != "cuda" or importlib.util.find_spec("xformers") is None:
        return False
    return bool(getattr(importlib.import_module("xformers"), "_has_cpp_library", False))
