"""DreamBooth with low-rank adapters: a subject learned from a few photos, resumable at any step.

The loss is that of the checkpoint's own training on pictures of the subject, plus the same on
pictures of its kind that the checkpoint drew itself (Ruiz et al. 2022, arXiv:2208.12242, eq. 2).
Only the adapters of the attention's projections learn (Hu et al. 2021, arXiv:2106.09685). All
chance of a step follows from the seed and the number of the step, so that a run that was
interrupted ends with the bytes of one that was not.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from models.core.assembly import assembling
from models.core.durable import write_atomically
from models.core.seeds import torch_generator
from models.image.diffusion.layouts import Pipeline, diffusers

PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")
KEEP_EVERY = 25
"""Steps between two states on disk: what a death costs at most."""
CURVE_POINTS = 50
_STATE = "state.safetensors"


@dataclass(frozen=True)
class Lesson:
    """A picture and what it shows, as the network sees them.

    Attributes:
        latents: `(1, C, h, w)`.
        text: States of the caption, `(1, T, D)`.
        added: Further conditions, each `(1, ...)`.
    """

    latents: torch.Tensor
    text: torch.Tensor
    added: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Course:
    """How the lessons are taught.

    Attributes:
        subject: Lessons about the subject.
        prior: Lessons about its kind; one of them beside each of the subject.
        steps: Updates.
        rank: Of the adapters.
        learning_rate: Of AdamW.
        seed: Of everything that is left to chance.
    """

    subject: Sequence[Lesson]
    prior: Sequence[Lesson]
    steps: int
    rank: int
    learning_rate: float
    seed: int
    name: str


class LowRankPupil(nn.Module):
    """Adapters that learn, attached to a frozen network by hooks.

    Args:
        network: Of diffusers; its own weights stay as they are.
        rank: Of every adapter.
        seed: Of the first matrices; the second ones begin at zero, so that nothing changes at first.
    """

    def __init__(self, network: nn.Module, rank: int, seed: int) -> None:
        super().__init__()
        network.requires_grad_(False)
        self.names = [
            name
            for name, module in network.named_modules()
            if isinstance(module, nn.Linear) and name.endswith(PROJECTIONS)
        ]
        generator = torch_generator(seed, "adapters")
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        for name in self.names:
            layer: Any = network.get_submodule(name)
            first = torch.randn(rank, layer.in_features, generator=generator) / rank
            place = layer.weight.device
            self.down.append(nn.Parameter(first.to(place)))
            self.up.append(nn.Parameter(torch.zeros(layer.out_features, rank, device=place)))
            layer.register_forward_hook(self._adding(len(self.down) - 1))

    def _adding(
        self, index: int
    ) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]:
        def add(
            _layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
        ) -> torch.Tensor:
            low = nn.functional.linear(inputs[0].float(), self.down[index])
            return output + nn.functional.linear(low, self.up[index]).to(output.dtype)

        return add

    def adapter(self) -> dict[str, torch.Tensor]:
        """Tensors by the names that loaders of LoRA files expect."""
        made = {}
        for name, down, up in zip(self.names, self.down, self.up, strict=True):
            made[f"unet.{name}.lora_A.weight"] = down.detach().cpu().contiguous()
            made[f"unet.{name}.lora_B.weight"] = up.detach().cpu().contiguous()
        return made


class Training:
    """One course; goes on where an interrupted attempt stopped.

    Args:
        pipeline: Whose network is taught; nobody else may use it meanwhile.
        course: What is taught.
        folder: Keeps the state of this very course.

    Attributes:
        resumed_from: Steps that were done before.
        losses: Of every step.
    """

    def __init__(self, pipeline: Pipeline, course: Course, folder: Path) -> None:
        self._unet, self._course, self._folder = pipeline.unet, course, folder
        self._noise = diffusers().DDPMScheduler.from_config(pipeline.scheduler.config)
        with assembling():
            self._pupil = LowRankPupil(self._unet, course.rank, course.seed)
        # Without foreach the order of the sums is the same on every machine.
        self._optimizer = torch.optim.AdamW(
            self._pupil.parameters(), lr=course.learning_rate, weight_decay=1e-4, foreach=False
        )
        self.losses: list[float] = []
        self.resumed_from = self._restored()

    @property
    def layers(self) -> int:
        """Layers that have an adapter."""
        return len(self._pupil.names)

    def run(self, check: Callable[[], None], progress: Callable[[float], None]) -> bytes:
        """Take the steps that are left; the adapter as a safetensors file.

        Args:
            check: Raises if nobody waits for the adapter any more; asked before every step.
            progress: Told the part that is done.
        """
        with torch.enable_grad():
            while len(self.losses) < self._course.steps:
                check()
                self._step(len(self.losses))
                if len(self.losses) % KEEP_EVERY == 0:
                    self._keep()
                progress(len(self.losses) / self._course.steps)
        # With two entries their order, and with it the bytes, would change from run to run.
        return save(self._pupil.adapter(), {"name": self._course.name})

    def curve(self) -> list[tuple[int, float]]:
        """At most `CURVE_POINTS` means of consecutive losses, each with its last step."""
        width = max(1, -(-len(self.losses) // CURVE_POINTS))
        parts = [self.losses[i : i + width] for i in range(0, len(self.losses), width)]
        ends = [min(len(self.losses), (i + 1) * width) for i in range(len(parts))]
        return [(end, sum(part) / len(part)) for end, part in zip(ends, parts, strict=True)]

    def _step(self, number: int) -> None:
        generator = torch_generator(self._course.seed, "step", number)
        loss = self._loss(self._course.subject, generator)
        if self._course.prior:
            loss = loss + self._loss(self._course.prior, generator)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._pupil.parameters(), 1.0, foreach=False)
        self._optimizer.step()
        self.losses.append(float(loss.detach()))

    def _loss(self, lessons: Sequence[Lesson], generator: torch.Generator) -> torch.Tensor:
        lesson = lessons[int(torch.randint(len(lessons), (), generator=generator))]
        noise = torch.randn(lesson.latents.shape, generator=generator).to(lesson.latents)
        last = self._noise.config.num_train_timesteps
        time = torch.randint(last, (1,), generator=generator)
        place = time.to(noise.device)
        noisy = self._noise.add_noise(lesson.latents, noise, place)
        predicted = self._unet(
            noisy.to(self._unet.dtype),
            place,
            lesson.text.to(self._unet.dtype),
            added_cond_kwargs=lesson.added or None,
            return_dict=False,
        )[0]
        wanted = noise
        if self._noise.config.prediction_type == "v_prediction":
            wanted = self._noise.get_velocity(lesson.latents, noise, place)
        return nn.functional.mse_loss(predicted.float(), wanted.float())

    def _keep(self) -> None:
        tensors = {f"weight.{i}": p.detach().cpu() for i, p in enumerate(self._pupil.parameters())}
        for index, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{index}": value.cpu() for name, value in state.items()}
        self._folder.mkdir(parents=True, exist_ok=True)
        metadata = {"losses": json.dumps(self.losses)}
        write_atomically(self._folder / _STATE, save(tensors, metadata))

    def _restored(self) -> int:
        try:
            content = (self._folder / _STATE).read_bytes()
        except FileNotFoundError:
            return 0
        tensors = load(content)
        header = int.from_bytes(content[:8], "little")
        self.losses = json.loads(json.loads(content[8 : 8 + header])["__metadata__"]["losses"])
        state: dict[int, dict[str, torch.Tensor]] = {}
        with torch.no_grad():
            for index, parameter in enumerate(self._pupil.parameters()):
                parameter.copy_(tensors[f"weight.{index}"])
                names = ("step", "exp_avg", "exp_avg_sq")
                state[index] = {name: tensors[f"{name}.{index}"] for name in names}
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})
        return len(self.losses)
