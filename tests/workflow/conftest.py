"""Engines on real databases."""

import pytest

from tests.workflow.postgres import postgres, postgres_server
from tests.workflow.started import engine, url

__all__ = ["engine", "postgres", "postgres_server", "url"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
