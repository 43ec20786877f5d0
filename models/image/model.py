"""The image capability: what a request asks for becomes pictures in the artifact store."""

from pydantic import BaseModel

from models.core.capability import Keeper, ModelCard, Run, Setup
from models.core.errors import CapabilityError
from models.image.backends import Backends
from models.image.fine_tune import (
    AdaptersRequest,
    AdaptersResult,
    FineTuneRequest,
    FineTuneResult,
)
from models.image.geometry.backend import Geometry
from models.image.geometry_schema import GeometryRequest, GeometryResult
from models.image.options import ImageOptions
from models.image.schema import ImageRequest, ImageResult


class ImageModel:
    """Hands each request to the backend that has its model."""

    def __init__(self, setup: Setup) -> None:
        ImageOptions.model_validate(setup.options)
        self._backends = Backends(setup)
        self._geometry = Geometry(setup)
        self._keeper = self._backends.keeper()

    def cards(self) -> tuple[ModelCard, ...]:
        """The models of every backend, the unavailable ones with the reason."""
        return self._backends.cards() + self._geometry.cards()

    def run(
        self, request: ImageRequest | FineTuneRequest | AdaptersRequest | GeometryRequest, run: Run
    ) -> ImageResult | FineTuneResult | AdaptersResult | GeometryResult:
        """Draw pictures, teach a model, list what it was taught, or estimate geometry.

        The request's backend says which errors there are.

        Raises:
            ModelUnavailable: No backend has the model, or it cannot be used here.
        """
        if isinstance(request, FineTuneRequest):
            return self._backends.teacher().fine_tune(request, run)
        if isinstance(request, AdaptersRequest):
            return self._backends.teacher().adapters(run)
        if isinstance(request, GeometryRequest):
            return self._geometry.run(request, run)
        return self._backends.chosen(request).run(request, run)

    @property
    def places(self) -> int:
        """Checkpoints that there is room for; see `Keeper` for this and the following."""
        return self._keeper.places

    @property
    def load_s(self) -> float:
        """Seconds that loading a checkpoint took lately."""
        return self._keeper.load_s

    def asks(self, request: BaseModel) -> str:
        """The checkpoint that pictures are asked of."""
        if not isinstance(request, ImageRequest):
            return ""
        try:
            backend = self._backends.chosen(request)
        except CapabilityError:  # which `run` will tell
            return ""
        return backend.asks(request) if isinstance(backend, Keeper) else ""

    def kept(self) -> tuple[str, ...]:
        """The checkpoints in memory."""
        return self._keeper.kept()

    def spare(self, names: tuple[str, ...]) -> None:
        """What should make room first."""
        self._keeper.spare(names)

    def keep(self, name: str) -> None:
        """Load a checkpoint ahead of requests; raises as `Keeper` says."""
        self._keeper.keep(name)
