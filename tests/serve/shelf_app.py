"""The application with one capability whose models take a while to load."""

import os
import time

from pydantic import BaseModel, Field
from ray.serve import Application

from graphs.app import assemble
from graphs.entry import Entry
from graphs.settings import Settings
from models.core.capability import ModelCard, Run, Setup, Value
from models.core.errors import CapacityExceeded

LOAD_S = 1.5


class Wish(Value):
    """Some seconds of work with a model."""

    model: str
    seconds: float = Field(ge=0, le=10)

    def home(self) -> str:
        """The model."""
        return self.model


class Done(Value):
    """Who did it."""

    replica: int
    loaded: bool


class Shelf:
    """Has room for one model, which requests alone load."""

    places = 1

    def __init__(self, setup: Setup) -> None:
        self._held = ""
        self.load_s = 0.0

    def cards(self) -> tuple[ModelCard, ...]:
        """No model stands behind it."""
        return (ModelCard(name="shelf", version="1"),)

    def run(self, request: Wish, run: Run) -> Done:
        """Load the model where it is not there, and sleep."""
        loaded = self._held != request.model
        if loaded:
            time.sleep(LOAD_S)
            self._held, self.load_s = request.model, LOAD_S
        time.sleep(request.seconds)
        return Done(replica=os.getpid(), loaded=loaded)

    def asks(self, request: BaseModel) -> str:
        """Its model."""
        assert isinstance(request, Wish)
        return request.model

    def kept(self) -> tuple[str, ...]:
        """The one that is there."""
        return (self._held,) if self._held else ()

    def spare(self, names: tuple[str, ...]) -> None:
        """Nothing gives way but to requests."""

    def keep(self, name: str) -> None:
        """Never ahead of requests."""
        raise CapacityExceeded("requests alone load here")


SHELF = Entry(
    name="shelf",
    title="A capability with models to load",
    route="/api/v1/shelf",
    model="tests.serve.shelf_app:Shelf",
    request=Wish,
    result=Done,
    example={"model": "one", "seconds": 0},
    home=Wish.home,
)


def build(settings: Settings) -> Application:
    """What `import_path` names."""
    return assemble((SHELF,), settings)
