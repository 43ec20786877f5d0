"""The backend `diffusers`: checkpoints of others, drawn by the step engine."""

import hashlib
import time
from collections.abc import Mapping

from PIL import Image
from pydantic import BaseModel

from models.core.artifacts import Provenance
from models.core.capability import ModelCard, Run, Setup
from models.core.errors import CapacityExceeded, InvalidInput, ModelUnavailable
from models.core.seeds import draw_seed
from models.image.diffusion.adapter_shelf import SUFFIX, AdapterShelf
from models.image.diffusion.checkpoint import Checkpoint
from models.image.diffusion.drawing import Drawing
from models.image.diffusion.dreambooth import DreamBooth
from models.image.diffusion.gauges import CudaGauge, HostGauge
from models.image.diffusion.preparation import Wish
from models.image.diffusion.residents import Residents
from models.image.diffusion.shelf import Found, Shelf, weights_bytes
from models.image.diffusion.stock import StockCheckpoint
from models.image.diffusion.wording import styled
from models.image.fine_tune import (
    AdapterCard,
    AdaptersResult,
    FineTuneRequest,
    FineTuneResult,
)
from models.image.options import ImageOptions
from models.image.picture_files import check_format, encode_picture
from models.image.schema import (
    DEFAULT_STEPS,
    MAX_SEED,
    BackendName,
    ImageRequest,
    ImageResult,
    Picture,
)
from models.image.sources import read_mask, read_source

DEFAULT_GUIDANCE = 5.0
GROWS = 2
"""On a processor, where files of half precision become weights of single precision."""


class DiffusersBackend:
    """Draws with checkpoints in diffusers' format; loads one when it is first asked for."""

    name: BackendName = "diffusers"

    def __init__(self, setup: Setup) -> None:
        self._options = ImageOptions.model_validate(setup.options).diffusers
        self._store, self._device = setup.store, setup.device
        self._shelf = Shelf(self._options)
        self._adapters = AdapterShelf(
            self._options.adapters, setup.store, self._options.adapter_slots
        )
        self._dreambooth = DreamBooth(setup, self._options)
        self._residents: Residents[tuple[str, str], Checkpoint | StockCheckpoint] = Residents(
            self._options.resident
        )

    def cards(self) -> tuple[ModelCard, ...]:
        """Every checkpoint and every adapter of the operator's."""
        checkpoints = [self._card(found) for found in self._shelf]
        adapters = [
            ModelCard(name=f"adapter:{name}", version="lora", device=self._device)
            for name in self._adapters.names()
        ]
        return (*checkpoints, *adapters)

    def _card(self, found: Found) -> ModelCard:
        reason = found.problem
        if reason is None and found.layout is None:
            reason = "no U-Net of SD or SDXL: drawn by the stock pipeline, one picture at a time"
        return ModelCard(
            name=found.name,
            version=found.version,
            kind=self.name,
            device=self._device,
            available=found.problem is None,
            reason=reason,
        )

    def run(self, request: ImageRequest, run: Run) -> ImageResult:
        """Draw `n` pictures side by side, with the seeds `seed`, `seed + 1`, ...

        Raises:
            Cancelled: Nobody waits for the pictures any more.
            CapacityExceeded: Memory ran out, or the deadline passed.
            InvalidInput: Something asked for has no meaning here.
            ModelUnavailable: The checkpoint cannot be used.
            UnknownAsset: A picture or an adapter is not the caller's.
        """
        run.check()
        check_format(request.format)
        foreign = request.foreign_to(self.name)
        if foreign or not request.prompt.strip():
            what = ", ".join(foreign) if foreign else "empty prompts"
            raise InvalidInput(f"the backend 'diffusers' takes no {what}")
        found = self._found(request.model)
        wish = self._wish(request, run)
        first = draw_seed() if request.seed is None else request.seed
        seeds = [(first + number) % MAX_SEED for number in range(request.n)]
        started = time.perf_counter()
        with self._residents.using(
            (found.name, found.version), lambda: self._load(found), run
        ) as checkpoint:
            drawn = {"load": time.perf_counter() - started}
            if isinstance(checkpoint, Checkpoint):
                adapters = self._adapters.fetch(request.adapters, checkpoint, run.owner)
                drawing = Drawing(checkpoint, request, wish, run, self._options.reproducible_rows)
                pictures = drawing.pictures(seeds, adapters)
                drawn |= drawing.timings_s
            else:
                if request.adapters or request.image is not None:
                    raise InvalidInput("this model takes neither adapters nor pictures here")
                pictures = checkpoint.pictures(wish, seeds, run)
            notes = checkpoint.notes
        return ImageResult(
            images=tuple(
                self._kept(picture, seed, request, found, run)
                for picture, seed in zip(pictures, seeds, strict=True)
            ),
            backend=self.name,
            model=found.name,
            style=request.style,
            degraded=notes,
            timings_s=_rounded(drawn),
        )

    def fine_tune(self, request: FineTuneRequest, run: Run) -> FineTuneResult:
        """Teach a checkpoint a subject.

        Raises:
            CapabilityError: As `DreamBooth.teach` says.
        """
        run.check()
        found = self._found(request.model)
        if found.layout is None:
            raise InvalidInput(f"{found.name!r} is not of a layout that can be taught here")
        if request.adapter_name in self._adapters.names():
            raise InvalidInput(
                f"an adapter named {request.adapter_name!r} is installed; choose another `name`"
            )
        return self._dreambooth.teach(request, found, found.layout, run)

    def adapters(self, run: Run) -> AdaptersResult:
        """What the caller may adapt pictures with.

        Raises:
            Cancelled: Nobody waits for the answer any more.
        """
        run.check()
        installed = [AdapterCard(name=name, origin="installed") for name in self._adapters.names()]
        own = [
            AdapterCard(
                name=record.asset.filename.removesuffix(SUFFIX),
                origin="own",
                asset=record.asset,
                model=(record.provenance.model or "").rpartition(" ")[0] or None,
            )
            for record in self._adapters.owned(run.owner)
        ]
        return AdaptersResult(adapters=(*installed, *own))

    @property
    def places(self) -> int:
        """Checkpoints that are kept in memory; see `Keeper` for this and the following."""
        return self._options.resident

    @property
    def load_s(self) -> float:
        """Seconds that loading a checkpoint took lately."""
        return self._residents.load_s

    def asks(self, request: BaseModel) -> str:
        """The checkpoint of a request for pictures; "" if it cannot be used."""
        found = self._shelf.find(request.model) if isinstance(request, ImageRequest) else None
        return "" if found is None or found.problem is not None else found.name

    def kept(self) -> tuple[str, ...]:
        """The checkpoints in memory, or on their way there."""
        return tuple(dict.fromkeys(name for name, _version in self._residents.kept()))

    def spare(self, names: tuple[str, ...]) -> None:
        """What should make room first."""
        kept = self._residents.kept()
        self._residents.spare(key for name in names for key in kept if key[0] == name)

    def keep(self, name: str) -> None:
        """Load a checkpoint ahead of requests.

        Raises:
            CapacityExceeded: No place is free, nor that of a spare one that is in no use, or there
                is too little memory.
            ModelUnavailable: It cannot be loaded.
        """
        found = self._found(name)
        self._residents.keep((found.name, found.version), lambda: self._load_ahead(found))

    def _load_ahead(self, found: Found) -> Checkpoint | StockCheckpoint:
        on_gpu = self._device == "cuda"
        free_bytes = (CudaGauge() if on_gpu else HostGauge()).free_bytes()
        if weights_bytes(found) * (1 if on_gpu else GROWS) > free_bytes:
            raise CapacityExceeded(f"too little memory is free for {found.name!r}")
        return self._load(found)

    def _found(self, name: str | None) -> Found:
        found = self._shelf.find(name)
        if found is None:
            what = "no checkpoint can be used" if name is None else f"no checkpoint {name!r}"
            raise ModelUnavailable(f"{what}; /api/v1/image/models says what there is, and why")
        if found.problem is not None:
            raise ModelUnavailable(f"{found.name!r} cannot be used: {found.problem}")
        return found

    def _load(self, found: Found) -> Checkpoint | StockCheckpoint:
        kind = StockCheckpoint if found.layout is None else Checkpoint
        return kind(found, self._options, self._device)

    def _wish(self, request: ImageRequest, run: Run) -> Wish:
        image, mask = request.image, request.mask
        return Wish(
            prompt=styled(request.prompt, request.style),
            negative_prompt=request.negative_prompt,
            width_px=request.width_px,
            height_px=request.height_px,
            steps=request.steps or DEFAULT_STEPS,
            guidance=DEFAULT_GUIDANCE if request.guidance is None else request.guidance,
            scheduler=request.scheduler,
            image=None if image is None else read_source(image, run.owner, self._store),
            mask=None if mask is None else read_mask(mask, run.owner, self._store),
            strength=request.strength,
        )

    def _kept(
        self, picture: Image.Image, seed: int, request: ImageRequest, found: Found, run: Run
    ) -> Picture:
        given = [source for source in (request.image, request.mask) if source is not None]
        provenance = Provenance(
            capability="image",
            backend=self.name,
            model=f"{found.name} {found.version}",
            seed=seed,
            prompt_sha256=hashlib.sha256(request.prompt.encode()).hexdigest(),
            inputs=tuple(source.asset_id for source in given if source.asset_id is not None),
        )
        file = encode_picture(picture, request.format, provenance)
        run.check()
        asset = self._store.put(
            file.content,
            owner=run.owner,
            media_type=file.media_type,
            filename=f"orrery-{seed}{file.extension}",
            provenance=provenance,
        )
        return Picture(asset=asset, seed=seed)


def _rounded(timings_s: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(seconds, 3) for stage, seconds in timings_s.items()}
