"""The backend `stylegan3`: generators that the operator names, drawn by seed."""

import hashlib
import importlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.core.artifacts import Provenance
from models.core.capability import ModelCard, Run, Setup
from models.core.errors import InvalidInput, ModelUnavailable
from models.core.seeds import draw_seed
from models.core.xmp import packet
from models.image.options import ImageOptions
from models.image.picture_files import PictureFile, encode_picture
from models.image.schema import MAX_SEED, BackendName, ImageRequest, ImageResult, Picture

if TYPE_CHECKING:
    from models.image.stylegan3.drawing import Loaded

SEEDS_OF_FILM = 4
"""Pictures that a film passes by."""
KIND = "StyleGAN3 generator"
HOW = (
    "set options.image.stylegan3 to {name: path} of an official .pkl file or of a folder made by "
    "`python -m models.image.stylegan3.files`; NVIDIA's own checkpoints are not for commercial use"
)


class StyleGan3Backend:
    """Draws pictures of seeds. Generators are loaded when they are first asked for."""

    name: BackendName = "stylegan3"

    def __init__(self, setup: Setup) -> None:
        self._store, self._device = setup.store, setup.device
        self._cache = setup.cache_dir / "stylegan3"
        self._paths = ImageOptions.model_validate(setup.options).stylegan3
        self._loaded: dict[str, Loaded] = {}
        self._faults: dict[str, str] = {}
        self._lock, self._filming = threading.Lock(), threading.Lock()

    def cards(self) -> tuple[ModelCard, ...]:
        """Every generator that is configured, or how to configure one."""
        if not self._paths:
            return (
                ModelCard(
                    name="stylegan3", version=KIND, kind=self.name, available=False, reason=HOW
                ),
            )
        return tuple(self._card(name, path) for name, path in self._paths.items())

    def _card(self, name: str, path: Path) -> ModelCard:
        loaded = self._loaded.get(name)
        missing = None if path.exists() else f"{path} does not exist; {HOW}"
        fault = self._faults.get(name, missing)
        return ModelCard(
            name=name,
            version=KIND,
            kind=self.name,
            weights_sha256=loaded.sha256 if loaded else None,
            device=self._device,
            available=fault is None,
            reason=fault,
        )

    def run(self, request: ImageRequest, run: Run) -> ImageResult:
        """Draw `n` pictures of the seeds `seed`, `seed + 1`, ...

        Raises:
            Cancelled: Nobody waits for the pictures any more.
            InvalidInput: The request asks for what a generator does not have.
            ModelUnavailable: The generator cannot be loaded.
        """
        foreign = request.foreign_to(self.name)
        if foreign:
            raise InvalidInput(f"the backend 'stylegan3' has no {', '.join(foreign)}")
        run.check()
        name = request.model or next(iter(self._paths), "stylegan3")
        started = time.perf_counter()
        generator = self._generator(name)
        generator.check(request)
        loaded_at = time.perf_counter()
        first = draw_seed() if request.seed is None else request.seed
        pictures = tuple(
            self._draw(generator, name, request, (first + number) % MAX_SEED, number, run)
            for number in range(request.n)
        )
        return ImageResult(
            images=pictures,
            backend=self.name,
            model=name,
            style=request.style,
            weights_sha256=generator.sha256,
            timings_s={
                "load": round(loaded_at - started, 3),
                "draw": round(time.perf_counter() - loaded_at, 3),
            },
        )

    def _draw(
        self,
        generator: "Loaded",
        name: str,
        request: ImageRequest,
        seed: int,
        number: int,
        run: Run,
    ) -> Picture:
        run.check()
        part = run.part(number, request.n)
        part.progress(0.0, "draw")
        provenance = Provenance(
            capability="image",
            backend=self.name,
            model=name,
            model_sha256=generator.sha256,
            seed=seed,
            prompt_sha256=hashlib.sha256(request.prompt.encode()).hexdigest(),
        )
        file = self._file(generator, request, seed, provenance, part)
        asset = self._store.put(
            file.content,
            owner=run.owner,
            media_type=file.media_type,
            filename=f"orrery-{seed}{file.extension}",
            provenance=provenance,
        )
        part.progress(1.0, "draw")
        # The model knows no text: all of it is without influence.
        return Picture(asset=asset, seed=seed, ignored=tuple(request.prompt.split()))

    def _file(
        self,
        generator: "Loaded",
        request: ImageRequest,
        seed: int,
        provenance: Provenance,
        run: Run,
    ) -> PictureFile:
        """The picture of a seed, or a film that passes by it and its successors."""
        look = (request.truncation, request.class_label, run.check)
        if request.motion is None:
            return encode_picture(generator.draw(seed, *look), request.format, provenance)
        motion, xmp = request.motion, packet(provenance)
        seeds = tuple((seed + number) % MAX_SEED for number in range(SEEDS_OF_FILM))
        asked = xmp + run.owner.encode() + request.model_dump_json().encode()
        folder = self._cache / "films" / f"{hashlib.sha256(asked).hexdigest()}-{seed}"
        films = importlib.import_module("models.image.films")  # loads the encoder
        with self._filming:  # equal requests share a folder
            content = films.film(
                lambda number: np.asarray(generator.between(seeds, number / motion.frames, *look)),
                motion,
                (generator.side_px, generator.side_px),
                folder,
                xmp,
                run,
            )
        return PictureFile(content, films.MEDIA_TYPE, ".mp4")

    def _generator(self, name: str) -> "Loaded":
        if name not in self._paths:
            known = ", ".join(self._paths)
            raise ModelUnavailable(f"no generator {name!r}; there are: {known}" if known else HOW)
        with self._lock:
            if name not in self._loaded:
                drawing = importlib.import_module("models.image.stylegan3.drawing")
                try:
                    self._loaded[name] = drawing.load(self._paths[name], self._cache, self._device)
                except ModelUnavailable as error:
                    self._faults[name] = error.detail
                    raise
                self._faults.pop(name, None)
            return self._loaded[name]
