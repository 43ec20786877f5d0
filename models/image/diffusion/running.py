"""One picture on its way through the step engine: nothing of it is shared with a neighbour."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import torch

from models.image.diffusion.adapters import AdapterSet


class Scheduler(Protocol):
    """What is used of a scheduler of diffusers; each request has an object of its own."""

    def scale_model_input(self, sample: torch.Tensor, _timestep: torch.Tensor, /) -> torch.Tensor:
        """The sample as the network expects it at this step."""
        ...

    def step(
        self,
        _output: torch.Tensor,
        _timestep: torch.Tensor,
        sample: torch.Tensor,
        /,
        **options: Any,  # noqa: ANN401  # what `prepare_extra_step_kwargs` found
    ) -> Any:  # noqa: ANN401  # an output with `prev_sample`, and often `pred_original_sample`
        """The sample one step less noisy."""
        ...

    def add_noise(
        self, _clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor, /
    ) -> torch.Tensor:
        """The sample as noisy as at a step."""
        ...


@dataclass(frozen=True)
class Conditioning:
    """What the network is told beside the noise.

    Attributes:
        text: States of the prompt, `(R, T, D)`; R is 2 with guidance (unconditional first), else 1.
        added: Further conditions by name, each `(R, ...)`.
    """

    text: torch.Tensor
    added: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """The part of a picture that inpainting does not touch.

    Attributes:
        mask: 1 where the picture is painted anew, `(1, 1, h, w)`.
        latents: Of the given picture, `(1, C, h, w)`.
        noise: That the request began with, `(1, C, h, w)`.
    """

    mask: torch.Tensor
    latents: torch.Tensor
    noise: torch.Tensor


@dataclass(frozen=True)
class Stepped:
    """A step was done.

    Attributes:
        step: Steps done so far.
        estimate: The clean latents as guessed now, where a preview is due.
    """

    step: int
    estimate: torch.Tensor | None = None


@dataclass(frozen=True)
class Finished:
    """The last step was done."""

    latents: torch.Tensor


@dataclass(frozen=True)
class Failed:
    """The request ended without a picture."""

    error: Exception


Event: TypeAlias = Stepped | Finished | Failed


def _nobody(_event: Event) -> None:
    return None


@dataclass(eq=False)
class Running:
    """A request's state between steps.

    Attributes:
        conditioning: Prompt and the like.
        scheduler: Of this request alone, already given its timesteps.
        timesteps: On the CPU, the noisiest first.
        latents: `(1, C, h, w)`, as noisy as the first timestep.
        guidance: Scale of classifier-free guidance; used with two rows of conditioning.
        step_options: What the scheduler's step takes besides.
        channels: Appended to the network's input, `(1, C', h, w)`: mask and picture of a network
            that was trained to inpaint.
        kept: Where a network that was not is made to inpaint.
        adapters: Applied to this request's rows alone.
        fixed_rows: The forward of this request always has so many rows, so that its bytes do not
            depend on its neighbours; any number if absent.
        alone: The forward of this request has its own rows and no others, for the same reason
            where a fixed number is not enough; see `company.keep_apart`.
        priority: Smaller goes first where rows are short.
        deadline: In seconds of `time.monotonic()`.
        preview_every: Steps between estimates; 0 gives none.
        tell: Told in the engine's thread what becomes of the request; must not take long.
    """

    conditioning: Conditioning
    scheduler: Scheduler
    timesteps: Sequence[torch.Tensor]
    latents: torch.Tensor
    guidance: float = 1.0
    step_options: Mapping[str, Any] = field(default_factory=dict)
    channels: torch.Tensor | None = None
    kept: Kept | None = None
    adapters: AdapterSet | None = None
    fixed_rows: int | None = None
    alone: bool = False
    priority: int = 5
    deadline: float | None = None
    preview_every: int = 0
    tell: Callable[[Event], None] = _nobody
    step: int = field(default=0, init=False)
    turn: int = field(default=-1, init=False)
    """When it was last stepped, in turns of the engine; -1 before its first."""
    withdrawn: bool = field(default=False, init=False)

    @property
    def rows(self) -> int:
        """Rows that it takes of a forward."""
        return len(self.conditioning.text)

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Requests of one key can share a forward."""
        extra = 0 if self.channels is None else self.channels.shape[1]
        added = tuple((name, value.shape[1:]) for name, value in self.conditioning.added.items())
        return (
            self.latents.shape,
            self.latents.dtype,
            self.conditioning.text.shape[1:],
            extra,
            added,
        )

    @property
    def area(self) -> int:
        """Latent pixels, which the memory of a row grows with."""
        return self.latents.shape[-2] * self.latents.shape[-1]

    def network_input(self) -> torch.Tensor:
        """What the network sees in each of the rows, `(1, C + C', h, w)`."""
        sample = self.scheduler.scale_model_input(self.latents, self.timesteps[self.step])
        if self.channels is not None:
            sample = torch.cat([sample, self.channels], dim=1)
        return sample

    def advance(self, predicted: torch.Tensor) -> None:
        """Go one step on.

        Args:
            predicted: The network's answer, `(R, C, h, w)`.
        """
        if self.rows == 2:
            without, with_prompt = predicted.chunk(2)
            predicted = without + self.guidance * (with_prompt - without)
        done = self.scheduler.step(
            predicted, self.timesteps[self.step], self.latents, **self.step_options
        )
        self.latents = done.prev_sample.to(self.latents.dtype)
        self.step += 1
        if self.kept is not None:
            self.latents = self._with_kept(self.kept)
        due = self.preview_every and self.step % self.preview_every == 0 and not self.finished
        estimate = getattr(done, "pred_original_sample", None)
        shown = (self.latents if estimate is None else estimate) if due else None
        self.tell(Stepped(self.step, shown))
        if self.finished:
            self.tell(Finished(self.latents))

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self.step == len(self.timesteps)

    def _with_kept(self, kept: Kept) -> torch.Tensor:
        around = kept.latents
        if not self.finished:
            next_timestep = self.timesteps[self.step].reshape(1)
            around = self.scheduler.add_noise(around, kept.noise, next_timestep)
        return (1 - kept.mask) * around + kept.mask * self.latents
