"""What holds for every test."""

import gc
import os

from hypothesis import HealthCheck, settings

# A busy machine is slow, not wrong. The same examples each time: a test that passed here passes
# there. Others are looked for with HYPOTHESIS_PROFILE=search.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, database=None, **PATIENT)
settings.register_profile("search", max_examples=500, print_blob=True, **PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_collection() -> None:
    """To look for garbage among modules that stay is a fifth of the time that their import takes."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Nor is it looked for among them later."""
    gc.freeze()
    gc.enable()
