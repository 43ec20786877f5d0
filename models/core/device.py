"""Where a model computes, and what happens when the device is full."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from models.core.errors import CapacityExceeded

HEADROOM = 0.92
"""Part of a replica's share that the allocator may take; the CUDA context stands outside it."""

logger = logging.getLogger(__name__)


def choose_device(num_gpus: float) -> str:
    """The torch device of a replica that was given a fraction of a GPU.

    What torch can see does not decide: a replica without a share sees every GPU of its node, and
    would take memory that belongs to others.

    Args:
        num_gpus: The share; 0 means the CPU, whatever the machine has.
    """
    if not num_gpus > 0:
        return "cpu"
    import torch  # noqa: PLC0415  # takes seconds

    if torch.cuda.is_available():
        return "cuda"
    logger.warning("no CUDA device despite a GPU share, using the CPU", extra={"share": num_gpus})
    return "cpu"


def cap_memory(fraction: float) -> None:
    """Keep torch's allocator within a share of the GPU; call before anything is allocated.

    Nothing else isolates replicas on one device. A whole device, or none, needs no cap.
    """
    if not 0 < fraction < 1:
        return
    import torch  # noqa: PLC0415  # takes seconds

    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(fraction * HEADROOM)


@contextmanager
def out_of_memory(advice: str, retry_after_s: float = 10.0) -> Iterator[None]:
    """Turn exhausted memory into an answer that the caller can act on.

    Args:
        advice: What to ask for instead, such as "ask for fewer frames".
        retry_after_s: When other work may have left.

    Raises:
        CapacityExceeded: The device, or the host, had too little memory left.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        logger.warning("out of memory", extra={"error": type(error).__name__})
        raise CapacityExceeded(
            f"memory ran out; {advice}, or try again later", retry_after_s
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or the host, had too little memory left."""
    if isinstance(error, MemoryError):
        return True
    import torch  # noqa: PLC0415  # takes seconds

    on_host = "DefaultCPUAllocator" in str(error)
    return isinstance(error, torch.OutOfMemoryError) or on_host
