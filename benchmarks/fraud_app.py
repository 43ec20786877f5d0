"""The application with the fraud capability alone, so that nothing else shares the cores."""

from ray.serve import Application

from graphs.app import assemble
from graphs.catalogue import CATALOGUE
from graphs.settings import Settings


def build(settings: Settings) -> Application:
    """Build it."""
    return assemble([entry for entry in CATALOGUE if entry.served_by == "fraud"], settings)
