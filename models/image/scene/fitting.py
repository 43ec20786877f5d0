"""A seeded training loop that can stop anywhere and go on as if it had not."""

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

logger = logging.getLogger(__name__)
WARM_UP_STEPS = 100


@dataclass(frozen=True)
class Course:
    """How one network is trained.

    Attributes:
        name: Of its files.
        steps: Optimizer steps in all.
        learning_rate: At its highest.
        loss: Of the network at a step; draws only from generators seeded by that step.
        checkpoint_steps: Between checkpoints.
    """

    name: str
    steps: int
    learning_rate: float
    loss: Callable[[int], Tensor]
    checkpoint_steps: int = 250


def fit(
    net: nn.Module, course: Course, out: Path, seed: int, *, resume: bool, stop_at_s: float
) -> bool:
    """Train until the course is over or this process has used `stop_at_s` of CPU time.

    Averaged parameters are left in `net` at the end.

    Returns:
        Whether the course is over.
    """
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(
        net.parameters(), course.learning_rate, (0.9, 0.98), weight_decay=0.02
    )
    step, mean = 0, 0.0
    if resume and (out / f"{course.name}.checkpoint.json").exists():
        step, mean = _restore(net, average, optimizer, out, course.name)
    net.train()
    while step < course.steps:
        if time.process_time() > stop_at_s:
            _keep(net, average, optimizer, out, course.name, step, mean)
            return False
        torch.manual_seed(seed * 1_000_003 + step)
        value = _step(net, course, optimizer, step)
        step += 1
        _blend(average, net, min(0.998, (1 + step) / (10 + step)))
        mean = value if step == 1 else 0.98 * mean + 0.02 * value
        if step % course.checkpoint_steps == 0 or step == course.steps:
            _keep(net, average, optimizer, out, course.name, step, mean)
            progress = {"step": step, "loss": round(mean, 4), "cpu_s": round(time.process_time())}
            logger.info("training %s: %s", course.name, progress)
    net.load_state_dict(average)
    net.eval()
    return True


def _step(net: nn.Module, course: Course, optimizer: torch.optim.Optimizer, step: int) -> float:
    decay = 0.5 * (1 + math.cos(math.pi * step / course.steps))
    for group in optimizer.param_groups:
        group["lr"] = course.learning_rate * min(1, (step + 1) / WARM_UP_STEPS) * (decay + 0.005)
    loss = course.loss(step)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


@torch.no_grad()
def _blend(average: dict[str, Tensor], net: nn.Module, keep: float) -> None:
    torch._foreach_lerp_(  # the public form is a loop of 60 small calls
        list(average.values()), list(net.state_dict().values()), 1 - keep
    )


def _keep(
    net: nn.Module,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    out: Path,
    name: str,
    step: int,
    mean: float,
) -> None:
    tensors = {f"net.{key}": value.detach().clone() for key, value in net.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / f"{name}.checkpoint.safetensors")
    (out / f"{name}.checkpoint.json").write_text(json.dumps({"step": step, "loss": mean}))


def _restore(
    net: nn.Module,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    out: Path,
    name: str,
) -> tuple[int, float]:
    tensors = load_file(out / f"{name}.checkpoint.safetensors")
    progress = json.loads((out / f"{name}.checkpoint.json").read_text())
    net.load_state_dict({key: tensors[f"net.{key}"] for key in net.state_dict()})
    for key in average:
        average[key].copy_(tensors[f"average.{key}"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, part = key.split(".")
            state.setdefault(int(index), {})[part] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return int(progress["step"]), float(progress["loss"])
