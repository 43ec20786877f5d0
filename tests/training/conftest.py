"""A PostgreSQL for what several machines share."""

from tests.workflow.postgres import postgres_server

__all__ = ["postgres_server"]
