"""Depth, normals, reliefs and new light for pictures; estimators are loaded when first asked."""

import hashlib
import importlib
import io
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, PngImagePlugin

from models.core.artifacts import Asset, Provenance
from models.core.capability import ModelCard, Run, Setup
from models.core.errors import ModelUnavailable
from models.core.xmp import packet
from models.image.geometry_schema import GeometryRequest, GeometryResult
from models.image.options import ImageOptions
from models.image.picture_files import PNG_XMP_KEYWORD, png
from models.image.sources import read_source
from models.image.wishes import MARIGOLD

if TYPE_CHECKING:
    from models.image.geometry.marigold import Estimator, Kind

HOW = (
    "no checkpoint; set options.image.marigold.{0} to a folder in diffusers' format with "
    ".safetensors files, such as a copy of prs-eth/marigold-{0}-v1-1"
)
FROM_DEPTH = "no checkpoint for normals: they follow from the depth, which blurs fine detail"


class Geometry:
    """Estimates what the surfaces in a picture are like."""

    def __init__(self, setup: Setup) -> None:
        self._store, self._device = setup.store, setup.device
        options = ImageOptions.model_validate(setup.options).marigold
        self._folders = {"depth": options.depth, "normals": options.normals}
        self._estimators: dict[str, Estimator] = {}
        self._lock = threading.Lock()

    def cards(self) -> tuple[ModelCard, ...]:
        """Both estimators."""
        cards = []
        for kind, folder in self._folders.items():
            missing = HOW.format(kind) if folder is None else f"{folder} does not exist"
            there = folder is not None and folder.is_dir()
            cards.append(
                ModelCard(
                    name=f"{MARIGOLD}-{kind}",
                    version="Marigold",
                    kind=MARIGOLD,
                    device=self._device,
                    available=there,
                    reason=None if there else missing,
                )
            )
        return tuple(cards)

    def run(self, request: GeometryRequest, run: Run) -> GeometryResult:
        """Make the files that are asked for.

        Raises:
            Cancelled: Nobody waits for them any more.
            InvalidInput: The picture cannot be read.
            ModelUnavailable: There is no checkpoint for what is asked.
        """
        run.check()
        started = time.perf_counter()
        image = read_source(request.image, run.owner, self._store)
        names: list[str] = []
        notes: list[str] = []
        wanted = set(request.outputs)
        own_normals = self._folders["normals"] is not None
        needs_normals = bool(wanted & {"normals", "relit"})
        depth = normals = None
        if wanted & {"depth", "relief"} or (needs_normals and not own_normals):
            depth = self._estimate("depth", image, request, run.part(0, 2), names)
        surface = importlib.import_module("models.image.geometry.surface")
        if needs_normals and own_normals:
            normals = self._estimate("normals", image, request, run.part(1, 2), names)
        elif needs_normals:
            normals = surface.normals_of(depth, request.relief_depth)
            notes.append(FROM_DEPTH)
        keep = self._keeper(request, own_normals, run)
        made: dict[str, Callable[[Provenance], bytes]] = {
            "depth": lambda origin: _depth_png(depth, origin),
            "normals": lambda origin: _normals_png(normals, origin),
            "relief": lambda origin: surface.relief(image, depth, request.relief_depth, origin),
            "relit": lambda origin: png(
                surface.relit(image, normals, request.light), packet(origin)
            ),
        }
        assets = {name: keep(name, made[name]) for name in made if name in wanted}
        run.progress(1.0, "done")
        return GeometryResult(
            **assets,
            models=tuple(names),
            degraded=tuple(notes),
            timings_s={"all": round(time.perf_counter() - started, 3)},
        )

    def _estimate(
        self,
        kind: "Kind",
        image: Image.Image,
        request: GeometryRequest,
        run: Run,
        names: list[str],
    ) -> Any:  # noqa: ANN401  # arrays of two shapes
        run.progress(0.0, kind)
        estimator = self._loaded(kind)
        names.append(f"marigold-{kind}")
        return estimator.estimate(image, request.steps, request.seed, run.check)

    def _loaded(self, kind: "Kind") -> "Estimator":
        folder = self._folders[kind]
        if folder is None or not folder.is_dir():
            raise ModelUnavailable(HOW.format(kind))
        with self._lock:
            if kind not in self._estimators:
                marigold = importlib.import_module("models.image.geometry.marigold")
                self._estimators[kind] = marigold.Estimator(kind, folder, self._device)
            return self._estimators[kind]

    def _keeper(
        self, request: GeometryRequest, own_normals: bool, run: Run
    ) -> Callable[[str, Callable[[Provenance], bytes]], Asset]:
        asked = request.image.asset_id
        source = asked or hashlib.sha256((request.image.base64 or "").encode()).hexdigest()

        def keep(name: str, make: Callable[[Provenance], bytes]) -> Asset:
            run.check()
            by_normals = own_normals and name in ("normals", "relit")
            provenance = Provenance(
                capability="image",
                backend="geometry",
                model="marigold-normals" if by_normals else "marigold-depth",
                seed=request.seed,
                inputs=(source,),
            )
            is_model = name == "relief"
            return self._store.put(
                make(provenance),
                owner=run.owner,
                media_type="model/gltf-binary" if is_model else "image/png",
                filename=f"orrery-{name}{'.glb' if is_model else '.png'}",
                provenance=provenance,
            )

        return keep


def _depth_png(depth: Any, origin: Provenance) -> bytes:  # noqa: ANN401  # an array
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(PNG_XMP_KEYWORD, packet(origin).decode())
    buffer = io.BytesIO()
    levels = (np.clip(depth, 0, 1) * 65535 + 0.5).astype(np.uint16)
    Image.fromarray(levels).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def _normals_png(normals: Any, origin: Provenance) -> bytes:  # noqa: ANN401  # an array
    levels = (np.clip(normals * 0.5 + 0.5, 0, 1) * 255 + 0.5).astype(np.uint8)
    return png(Image.fromarray(levels), packet(origin))
