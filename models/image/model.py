"""The image capability: what a request asks for becomes pictures in the artifact store."""

from models.core.capability import ModelCard, Run, Setup
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
