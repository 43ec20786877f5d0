"""One thread at a time puts networks together, and the others do not notice.

While they load a checkpoint, diffusers and transformers change torch for the whole process: new
parameters lie on no device (accelerate's `init_empty_weights` replaces `Module.register_parameter`),
and the default precision is that of the checkpoint (`torch.set_default_dtype`). A network that another
thread made meanwhile would have no weights, and what it computed might come out in half precision.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

Function = Callable[..., Any]

MADE_OF_SHAPES: Final[frozenset[Function]] = frozenset(
    {
        torch.empty,
        torch.empty_permuted,
        torch.empty_strided,
        torch.eye,
        torch.linspace,
        torch.logspace,
        torch.ones,
        torch.rand,
        torch.randn,
        torch.zeros,
    }
)
MADE_OF_VALUES: Final[frozenset[Function]] = frozenset(
    {torch.arange, torch.full, torch.scalar_tensor, torch.tensor}
)
"""Their precision follows from the values; the default one stands for that of Python's floats."""

_LOCK = threading.RLock()


@contextmanager
def assembling() -> Iterator[None]:
    """Hold this while a checkpoint is loaded or a module with parameters is made.

    What the libraries declare the default precision is so in this thread alone.
    """
    here = _Precision(torch.get_default_dtype())
    with _LOCK, here:
        owner, before = threading.get_ident(), (torch.set_default_dtype, torch.get_default_dtype)

        def declare(dtype: torch.dtype) -> None:
            here.declared = dtype

        def tell() -> torch.dtype:
            return here.declared if threading.get_ident() == owner else here.usual

        torch.set_default_dtype, torch.get_default_dtype = declare, tell
        try:
            yield
        finally:
            torch.set_default_dtype, torch.get_default_dtype = before


class _Precision(TorchFunctionMode):
    """Tensors that this thread makes without a precision get the declared one, not the usual one."""

    def __init__(self, usual: torch.dtype) -> None:
        super().__init__()
        self.usual: torch.dtype = usual
        self.declared: torch.dtype = usual

    def __torch_function__(
        self,
        func: Function,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        named = kwargs or {}
        if self.declared == self.usual or named.get("dtype") is not None:
            return func(*args, **named)
        if func in MADE_OF_SHAPES:
            return func(*args, **{**named, "dtype": self.declared})
        made = func(*args, **named)
        inferred = func in MADE_OF_VALUES and not any(hasattr(a, "dtype") for a in args)
        return made.to(self.declared) if inferred and made.dtype == self.usual else made
