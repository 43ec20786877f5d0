"""The backend `openai`: pictures drawn by a provider."""

import contextvars
import hashlib
import importlib
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from models.core.artifacts import Provenance
from models.core.capability import ModelCard, Run, Setup
from models.core.errors import Cancelled, InvalidInput, ModelUnavailable
from models.core.seeds import draw_seed
from models.image.options import ImageOptions
from models.image.schema import (
    MAX_SEED,
    BackendName,
    Cost,
    ImageRequest,
    ImageResult,
    Picture,
)

if TYPE_CHECKING:
    from models.image.openai.provider import Drawn, Provider

SECRET: Final = "openai_api_key"  # noqa: S105 - the name of a setting
NO_KEY: Final = (
    "no API key; set secrets.image.openai_api_key, or ORRERY_SECRETS__IMAGE__OPENAI_API_KEY"
)
NO_SEED: Final = "the provider takes no seed: the same request gives another picture"
RESIZED: Final = "the provider drew {0}x{1}, from which the picture was cut and scaled"
POLL_S: Final = 0.1
CALLS: Final = 8
"""Requests under way at the provider; further ones wait."""


class OpenAIBackend:
    """Asks a provider, and keeps what it draws."""

    name: BackendName = "openai"

    def __init__(self, setup: Setup) -> None:
        self._store = setup.store
        self._options = ImageOptions.model_validate(setup.options).openai
        self._key: SecretStr | None = setup.secrets.get(SECRET)
        self._provider: Provider | None = None
        self._threads = ThreadPoolExecutor(CALLS, thread_name_prefix="openai")

    def cards(self) -> tuple[ModelCard, ...]:
        """The provider's models that requests may name."""
        return tuple(
            ModelCard(
                name=name,
                version="Images API",
                kind=self.name,
                device="provider",
                available=self._key is not None,
                reason=None if self._key else NO_KEY,
            )
            for name in self._options.models
        )

    def run(self, request: ImageRequest, run: Run) -> ImageResult:
        """Ask for `n` pictures, one after another.

        Raises:
            Cancelled: Nobody waits any more; what the provider draws meanwhile is dropped.
            InvalidInput: Fields are set that have no meaning here, or the provider refuses.
            ModelUnavailable: There is no key or no such model.
            CapacityExceeded: The provider asks to come back later.
            UpstreamUnavailable: It does not answer as it should.
        """
        foreign = request.foreign_to(self.name)
        if foreign:
            raise InvalidInput(f"the backend 'openai' has no {', '.join(foreign)}; leave them out")
        run.check()
        model = request.model or self._options.models[0]
        if model not in self._options.models:
            raise ModelUnavailable(
                f"no model {model!r}; those of options.image.openai.models are: "
                f"{', '.join(self._options.models)}"
            )
        provider = self._connected()
        drawing = importlib.import_module("models.image.openai.drawing")
        started = time.perf_counter()
        asking, original = drawing.asked(request, model, run, self._store)
        pictures, answers = [], []
        for number in range(request.n):
            part = run.part(number, request.n)
            part.progress(0.05, "wait for the provider")
            context = contextvars.copy_context()  # the request's id, for the log
            ask = drawing.ask
            pending = self._threads.submit(context.run, ask, provider, asking, original, part)
            drawn = _outcome(pending, run)
            answers.append(drawn)
            pictures.append(self._kept(drawing.finished(drawn, request), request, model, run))
            part.progress(1.0, "done")
        return ImageResult(
            images=tuple(pictures),
            backend=self.name,
            model=model,
            style=request.style,
            degraded=_notes(request, asking.provider_size_px),
            cost=self._cost(model, asking.provider_size_px, answers),
            timings_s={"provider": round(time.perf_counter() - started, 3)},
        )

    def _connected(self) -> "Provider":
        if self._key is None:
            raise ModelUnavailable(NO_KEY)
        if self._provider is None:
            module = importlib.import_module("models.image.openai.provider")
            self._provider = module.Provider(self._options, self._key)
        return self._provider

    def _kept(self, image: object, request: ImageRequest, model: str, run: Run) -> Picture:
        files = importlib.import_module("models.image.picture_files")
        seed = draw_seed() if request.seed is None else request.seed % MAX_SEED
        asked = request.image.asset_id if request.image else None
        provenance = Provenance(
            capability="image",
            backend=self.name,
            model=model,
            prompt_sha256=hashlib.sha256(request.prompt.encode()).hexdigest(),
            inputs=(asked,) if asked else (),
        )
        file = files.encode_picture(image, request.format, provenance)
        asset = self._store.put(
            file.content,
            owner=run.owner,
            media_type=file.media_type,
            filename=f"orrery-{model}{file.extension}",
            provenance=provenance,
        )
        return Picture(asset=asset, seed=seed)

    def _cost(self, model: str, size: tuple[int, int], answers: "Sequence[Drawn]") -> Cost:
        note = f"charged by the provider: {len(answers)} of {size[0]}x{size[1]} by {model}"
        taken = [answer.input_tokens for answer in answers if answer.input_tokens is not None]
        given = [answer.output_tokens for answer in answers if answer.output_tokens is not None]
        if len(taken) < len(answers) or len(given) < len(answers):
            return Cost(note=note)
        prices, usd = self._options.usd_per_million_tokens, None
        if prices is not None:
            usd = round((sum(taken) * prices[0] + sum(given) * prices[1]) / 1e6, 6)
        return Cost(note=note, input_tokens=sum(taken), output_tokens=sum(given), usd=usd)


def _notes(request: ImageRequest, drawn_px: tuple[int, int]) -> tuple[str, ...]:
    notes = [] if request.seed is None else [NO_SEED]
    if drawn_px != (request.width_px, request.height_px):
        notes.append(RESIZED.format(*drawn_px))
    if request.style != "photo":
        notes.append("styles are for scenes: describe the look in the prompt")
    return tuple(notes)


def _outcome(pending: "Future[Drawn]", run: Run) -> "Drawn":
    """What the provider gives; a caller that leaves is not kept waiting for it."""
    while True:
        try:
            return pending.result(POLL_S)
        except TimeoutError:
            if pending.done():
                raise  # the work's own, not ours
            if run.cancelled():
                pending.cancel()
                raise Cancelled("the caller left before the provider answered") from None
