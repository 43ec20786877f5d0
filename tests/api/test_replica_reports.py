"""What replicas report to the autoscaling policy: their work, their machine and its GPUs."""

from pathlib import Path

import pytest

from deployments.gpu_metrics import GpuLoad, measure_gpus
from deployments.node_metrics import name_as_number, number_as_name
from deployments.work import Work

NODE = "0123456789ab"


def test_two_gpus_are_read_as_one_and_none_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for said, load in (
        ("90, 6000, 24000\n10, 0, 8000\n", GpuLoad(0.5, 0.1875)),
        ("[N/A], 0, 8000", None),
        ("", None),
    ):
        tool.write_text(f"#!/bin/sh\necho '{said.strip()}'\n")
        tool.chmod(0o755)
        assert measure_gpus() == load


def test_a_node_survives_its_way_as_a_number() -> None:
    for name in ("000000000001", NODE, "ffffffffffff"):
        assert number_as_name(name_as_number(name)) == name


def test_work_counts_what_is_in_hand() -> None:
    clock = iter([0.0, 1.0, 3.0, 5.0, 9.0])
    work = Work(lambda: next(clock))
    before = work.busy_s()
    with work.piece():
        during = work.busy_s()

    assert (before, during) == (0, 2)
    assert work.busy_s() == work.service_s == 4


def test_pieces_done_side_by_side_share_their_time() -> None:
    clock = iter([0.0, 6.0, 10.0, 10.0, 10.0, 10.0])
    work = Work(lambda: next(clock))
    with work.piece():
        with work.piece():
            pass
        first = work.service_s

    assert (work.busy_s(), work.held_s()) == (10, 14)
    assert first == 2


def test_kinds_of_work_are_counted_and_timed_apart() -> None:
    now = [0.0]
    work = Work(lambda: now[0])
    for kind, seconds in [("small", 1.0), ("large", 20.0), ("small", 2.0), ("small", 2.0)]:
        with work.piece(kind):
            now[0] += seconds
    kinds = work.kinds()

    assert kinds["large"] == (pytest.approx(0.95**2), 20.0)
    assert kinds["small"] == (pytest.approx(0.95**3 + 0.95 + 1), pytest.approx(1.36))
