"""What draws pictures: one backend per kind of model, behind one request and one result."""

import logging
import pkgutil
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from models.core.capability import Keeper, ModelCard, Run, Setup
from models.core.errors import ModelUnavailable
from models.image.fine_tune import AdaptersResult, FineTuneRequest, FineTuneResult
from models.image.schema import BackendName, ImageRequest, ImageResult

logger = logging.getLogger(__name__)


class Backend(Protocol):
    """A family of models that draws what an `ImageRequest` says.

    The constructor takes the capability's `Setup`. Weights that not every request needs are loaded
    by the first one that does: the service must start fast. `run` is called from several threads at
    once.
    """

    name: BackendName

    def cards(self) -> tuple[ModelCard, ...]:
        """Every model of this backend; one that cannot be used says why and what to do."""
        ...

    def run(self, request: ImageRequest, run: Run) -> ImageResult:
        """Draw the pictures.

        Raises:
            CapabilityError: What the caller can act on; `ModelUnavailable` if the model is.
        """
        ...


@runtime_checkable
class Teacher(Protocol):
    """A backend whose models can be taught."""

    def fine_tune(self, request: FineTuneRequest, run: Run) -> FineTuneResult:
        """Teach a model a subject.

        Raises:
            CapabilityError: What the caller can act on.
        """
        ...

    def adapters(self, run: Run) -> AdaptersResult:
        """What was taught, as far as the caller may use it."""
        ...


BACKENDS: Mapping[BackendName, str] = {
    "scene": "models.image.scene_backend:SceneBackend",
    "diffusers": "models.image.diffusion.backend:DiffusersBackend",
    "stylegan3": "models.image.stylegan3.backend:StyleGan3Backend",
    "openai": "models.image.openai.backend:OpenAIBackend",
}
"""`module:class` of every backend; the first one draws what names no other."""


class Backends:
    """Every backend of one replica.

    Args:
        setup: Of the capability.
        classes: `module:class` by name.
    """

    def __init__(self, setup: Setup, classes: Mapping[BackendName, str] = BACKENDS) -> None:
        self._backends: dict[BackendName, Backend] = {
            name: pkgutil.resolve_name(target)(setup) for name, target in classes.items()
        }

    def cards(self) -> tuple[ModelCard, ...]:
        """The models of all backends, in order."""
        return tuple(card for backend in self._backends.values() for card in backend.cards())

    def chosen(self, request: ImageRequest) -> Backend:
        """The backend of a request: the one it names, or the one that has its model.

        Raises:
            ModelUnavailable: There is none.
        """
        if request.backend != "auto":
            return self._named(request.backend)
        if request.model is None:
            return self._named("scene")
        for backend in self._backends.values():
            if any(card.name == request.model for card in backend.cards()):
                return backend
        raise ModelUnavailable(f"no model {request.model!r}; see /api/v1/image/models")

    def teacher(self) -> Teacher:
        """The backend that fine-tunes.

        Raises:
            ModelUnavailable: There is none.
        """
        for backend in self._backends.values():
            if isinstance(backend, Teacher):
                return backend
        raise ModelUnavailable("no backend of this service can be taught")

    def keeper(self) -> Keeper:
        """The backend that keeps several models in memory.

        Raises:
            ModelUnavailable: There is none.
        """
        for backend in self._backends.values():
            if isinstance(backend, Keeper):
                return backend
        raise ModelUnavailable("no backend of this service keeps models")

    def _named(self, name: BackendName) -> Backend:
        try:
            return self._backends[name]
        except KeyError:
            raise ModelUnavailable(
                f"this service has no backend {name!r}; it has {', '.join(self._backends)}"
            ) from None
