"""Which kernels of attention a network uses: torch's own, or those of xformers.

Those of xformers are for CUDA alone. On a processor, or beside a torch that they were not built
for, the package can still be imported, and says that it is there.
"""

import importlib
import importlib.util
import logging
from typing import Any

logger = logging.getLogger(__name__)


def take_xformers(network: Any, device: str) -> str | None:  # noqa: ANN401  # of diffusers
    """Let a network use xformers' kernels, if they work here; else it keeps torch's own.

    Args:
        network: Of diffusers.
        device: `cpu` or `cuda`, where the network is.

    Returns:
        Why they do not; nothing if they do.
    """
    if device != "cuda":
        return "xformers needs a GPU with CUDA"
    if importlib.util.find_spec("xformers") is None:
        return "xformers is not installed"
    try:
        if not getattr(importlib.import_module("xformers"), "_has_cpp_library", False):
            return "xformers was built for another version of torch"
        # Tries its kernels before it changes anything, and raises where the GPU is none for them.
        network.enable_xformers_memory_efficient_attention()
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        logger.warning("xformers not used", extra={"error": type(error).__name__})
        return f"xformers has no kernels for this GPU ({type(error).__name__})"
    return None
