"""Who may share a forward with a request whose bytes must not depend on anybody else."""

import torch

from models.image.diffusion.running import Running


def keep_apart(request: Running, device: str, rows: int) -> None:
    """Make the bytes of a request independent of its neighbours, as its device demands.

    On a processor a row's bits depend on the number of rows beside it, not on what they hold nor on
    its place among them: forwards of a fixed number still share their work. The kernels of a GPU
    promise neither, and with four fixed rows half of the pictures of a network of SDXL's size
    changed with their neighbours on an H100. There the request has each forward to itself.

    Args:
        request: Not admitted yet.
        device: `cpu` or `cuda`.
        rows: Of every forward on a processor.
    """
    if device == "cpu":
        request.fixed_rows = rows
    else:
        request.alone = True


def choose_repeatable_kernels(device: str) -> None:
    """Let convolutions on a GPU use only algorithms that give the same bits every time.

    For the whole process: the switch is torch's, and one that is turned for single forwards would
    be turned under those of another checkpoint's thread.
    """
    if device == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
