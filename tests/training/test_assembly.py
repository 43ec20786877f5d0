"""Checkpoints are loaded as the libraries load them, and other threads do not notice."""

import threading
from itertools import chain
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import nn

from benchmarks import tiny_checkpoint
from models.core.assembly import assembling
from tests.training import tiny_video

PIPELINES = {
    "xl": (tiny_checkpoint.sdxl, diffusers.StableDiffusionXLPipeline),
    "sd": (tiny_checkpoint.sd, diffusers.StableDiffusionPipeline),
    "wan": (tiny_video.wan, diffusers.WanPipeline),
}


@pytest.fixture(scope="module", params=PIPELINES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("checkpoints") / request.param
    PIPELINES[request.param][0](made)
    return made


def load(folder: Path, dtype: torch.dtype) -> Any:
    return PIPELINES[folder.name][1].from_pretrained(folder, dtype=dtype, use_safetensors=True)


def contents(pipeline: Any) -> list[tuple[str, str, torch.Tensor]]:
    return [
        (part, name, tensor)
        for part, net in pipeline.components.items()
        if isinstance(net, nn.Module)
        for name, tensor in chain(net.named_parameters(), net.named_buffers())
    ]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_what_is_loaded_is_what_the_library_alone_loads(folder: Path, dtype: torch.dtype) -> None:
    plain = contents(load(folder, dtype))
    with assembling():
        found = contents(load(folder, dtype))

    assert [(part, name) for part, name, _ in found] == [(part, name) for part, name, _ in plain]
    for (part, name, ours), (_, _, theirs) in zip(found, plain, strict=True):
        assert ours.dtype == theirs.dtype, (part, name)
        assert torch.equal(ours, theirs), (part, name)


def test_other_threads_keep_their_precision_while_one_loads(folder: Path) -> None:
    seen: set[torch.dtype] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.update({torch.zeros(1).dtype, torch.tensor(0.5).dtype, torch.get_default_dtype()})

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(3):
        with assembling():
            load(folder, torch.float16)
    ended.set()
    watcher.join()

    assert seen == {torch.float32}
    assert torch.get_default_dtype() == torch.float32


def test_declared_precision_is_that_of_what_names_none() -> None:
    with assembling():
        torch.set_default_dtype(torch.float16)
        made = (
            torch.zeros(2),
            torch.tensor(0.5),
            torch.arange(0.0, 1.0, 0.5),
            nn.Linear(1, 1).weight,
        )
        told = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        named = (torch.tensor(1), torch.zeros(1, dtype=torch.float64), torch.tensor(0.5))

    assert {found.dtype for found in made} == {torch.float16} == {told}
    assert [found.dtype for found in named] == [torch.int64, torch.float64, torch.float32]
