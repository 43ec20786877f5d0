"""The application with the video capability alone."""

from ray.serve import Application

from graphs.app import assemble
from graphs.catalogue import CATALOGUE
from graphs.settings import Settings


def build(settings: Settings) -> Application:
    """What `import_path` names."""
    return assemble([entry for entry in CATALOGUE if entry.served_by == "video"], settings)
