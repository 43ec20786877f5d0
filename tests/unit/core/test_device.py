import pytest
import torch

from models.core.device import cap_memory, choose_device, out_of_memory
from models.core.errors import CapacityExceeded


@pytest.mark.parametrize(
    ("num_gpus", "visible", "device"),
    [(0, True, "cpu"), (0, False, "cpu"), (0.5, True, "cuda"), (2, True, "cuda"), (0.5, False, "cpu")],
)  # fmt: skip
def test_the_share_decides_and_not_what_is_visible(monkeypatch, num_gpus, visible, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: visible)

    assert choose_device(num_gpus) == device


@pytest.mark.parametrize(("share", "capped"), [(0.5, [0.46]), (1, []), (0, []), (2, [])])
def test_only_a_part_of_a_device_is_capped(monkeypatch, share, capped):
    seen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", seen.append)

    cap_memory(share)

    assert seen == pytest.approx(capped)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_exhausted_memory_asks_to_come_back(error):
    with (
        pytest.raises(CapacityExceeded, match="ask for fewer frames") as caught,
        out_of_memory("ask for fewer frames", retry_after_s=4),
    ):
        raise error

    assert caught.value.retry_after_s == 4


def test_exhausted_host_memory_is_recognised():
    with pytest.raises(CapacityExceeded), out_of_memory("ask for less"):
        torch.empty(2**50, dtype=torch.uint8)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="another"), out_of_memory("ask for less"):
        raise RuntimeError("another error")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_cap_holds_on_a_real_device():
    total = torch.cuda.get_device_properties(0).total_memory
    cap_memory(0.1)
    try:
        with pytest.raises(CapacityExceeded), out_of_memory("ask for less"):
            torch.empty(int(total * 0.1), dtype=torch.uint8, device=choose_device(0.1))
        fits = torch.empty(int(total * 0.08), dtype=torch.uint8, device=choose_device(0.1))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

    assert fits.is_cuda
