"""Gauges of memory: the allocator of a GPU, or a ledger of tensors on the host."""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class CudaGauge:
    """Asks torch's allocator, within the share that this process may take of the GPU."""

    def free_bytes(self) -> int:
        """What could be allocated now."""
        free, total = torch.cuda.mem_get_info()
        share = int(total * torch.cuda.get_per_process_memory_fraction())
        cached = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return max(0, min(share - torch.cuda.memory_allocated(), free + cached))

    def peak_bytes(self, work: Callable[[], object]) -> int:
        """The most that some work had allocated at once."""
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated() - before)


class HostGauge:
    """Keeps a ledger of the tensors that are made and dropped: hosts report no such peak."""

    def free_bytes(self) -> int:
        """What could be allocated now."""
        import psutil  # noqa: PLC0415  # needed on hosts alone

        return int(psutil.virtual_memory().available)

    def peak_bytes(self, work: Callable[[], object]) -> int:
        """The most that some work had allocated at once."""
        ledger = _Ledger()
        with ledger:
            work()
        return ledger.peak


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Adds up the storages that operations made and that are still in use."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._users: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401  # an operator
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # what the operator gives
        result = func(*args, **(kwargs or {}))
        given = {_address(tensor) for tensor in _tensors([*args, *(kwargs or {}).values()])}
        for tensor in _tensors([result]):
            self._enter(tensor, given)
        return result

    def _enter(self, tensor: torch.Tensor, given: set[int]) -> None:
        address, size = _address(tensor), tensor.untyped_storage().nbytes()
        if address in self._users:
            self._users[address] += 1
        elif address in given or not size:
            return  # a view of what was there before
        else:
            self._users[address] = 1
            self._now += size
            self.peak = max(self.peak, self._now)
        weakref.finalize(tensor, self._leave, address, size)

    def _leave(self, address: int, size: int) -> None:
        self._users[address] -= 1
        if not self._users[address]:
            del self._users[address]
            self._now -= size


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(values: Sequence[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
