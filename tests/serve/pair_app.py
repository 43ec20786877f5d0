"""The application with two probes that compete for one GPU."""

from dataclasses import replace

from ray.serve import Application

from graphs.app import assemble
from graphs.settings import Settings
from tests.probe import PROBE

RIVAL = replace(PROBE, name="rival", route="/api/v1/rival")


def build(settings: Settings) -> Application:
    """What `import_path` names."""
    return assemble((PROBE, RIVAL), settings)
