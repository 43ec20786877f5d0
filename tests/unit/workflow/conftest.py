"""A machine in memory."""

from pathlib import Path

import pytest

from tests.unit.workflow.memory import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
