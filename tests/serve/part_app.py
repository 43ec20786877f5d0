"""The application with one of its capabilities alone."""

from ray.serve import Application

from graphs.app import assemble
from graphs.catalogue import CATALOGUE
from graphs.settings import Settings


def films(settings: Settings) -> Application:
    """What `import_path` names, with video."""
    return _alone("video", settings)


def pictures(settings: Settings) -> Application:
    """The same with image."""
    return _alone("image", settings)


def _alone(name: str, settings: Settings) -> Application:
    return assemble([entry for entry in CATALOGUE if entry.served_by == name], settings)
