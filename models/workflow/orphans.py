"""What dead executors left: looked for several times a second, so in one transaction."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa

from models.workflow.database import Database, executors
from models.workflow.leases import Lease
from models.workflow.registry import left_behind

_COLUMNS = ("workflow_uuid", "status", "executor_id")
CHECKPOINTED: Final = {
    is_postgres: sa.table(
        "workflow_status", *map(sa.column, _COLUMNS), schema="dbos" if is_postgres else None
    )
    for is_postgres in (False, True)
}


@dataclass(frozen=True)
class Orphans:
    """What was found.

    Attributes:
        is_any_dead: Whether an executor is to be fenced.
        begun: Runs of fenced executors, with the name of the executor.
        waiting: Runs that were accepted, and that nobody alive is going to begin.
    """

    is_any_dead: bool
    begun: dict[str, str]
    waiting: list[str]


def find_orphans(database: Database, lease: Lease) -> Orphans:
    """Look once, without holding anybody up."""
    return database.transact(partial(_look, database, lease), reads=True)


def _look(database: Database, lease: Lease, connection: sa.Connection) -> Orphans:
    dead = sa.select(executors.c.epoch).where(lease.dead(connection)).limit(1)
    fenced = sa.select(executors.c.executor_id).where(executors.c.fenced.is_(True))
    checkpointed = CHECKPOINTED[database.is_postgres]
    begun = sa.select(checkpointed.c.workflow_uuid, checkpointed.c.executor_id).where(
        checkpointed.c.status == "PENDING", checkpointed.c.executor_id.in_(fenced)
    )
    return Orphans(
        is_any_dead=connection.execute(dead).first() is not None,
        begun={row.workflow_uuid: row.executor_id for row in connection.execute(begun)},
        waiting=list(connection.execute(left_behind(lease.epoch)).scalars()),
    )
