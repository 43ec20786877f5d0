"""The gateway without capabilities, so that nothing but its own cost is measured."""

from ray.serve import Application

from graphs.app import assemble
from graphs.settings import Settings


def build(settings: Settings) -> Application:
    """What `import_path` names."""
    return assemble((), settings)
