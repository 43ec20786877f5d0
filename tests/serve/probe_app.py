"""The application with the probe in place of the real capabilities."""

from ray.serve import Application

from graphs.app import assemble
from graphs.settings import Settings
from tests.probe import PROBE


def build(settings: Settings) -> Application:
    """What `import_path` names."""
    return assemble((PROBE,), settings)
