"""What dead executors left: looked for several times a second, so in one transaction."""

from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from models.workflow.database import Database, executors
from models.workflow.leases import expired
from models.workflow.registry import left_behind

checkpointed = sa.table(
    "workflow_status",
    sa.column("workflow_uuid", sa.Text),
    sa.column("status", sa.Text),
    sa.column("executor_id", sa.Text),
    schema="dbos",
)


@dataclass(frozen=True)
class Orphans:
    """What was found.

    Attributes:
        is_any_expired: Whether the lease of some executor has ended.
        begun: Runs of fenced executors, with the name of the executor.
        waiting: Runs that were accepted, and that nobody alive is going to begin.
    """

    is_any_expired: bool
    begun: dict[str, str]
    waiting: list[str]


def find_orphans(database: Database, own_epoch: int) -> Orphans:
    """Look once, without holding anybody up."""
    return database.transact(partial(_look, database, own_epoch), reads=True)


def _look(database: Database, own_epoch: int, connection: sa.Connection) -> Orphans:
    dead = sa.select(executors.c.epoch).where(expired(database, own_epoch)).limit(1)
    fenced = sa.select(executors.c.executor_id).where(executors.c.fenced.is_(True))
    begun = sa.select(checkpointed.c.workflow_uuid, checkpointed.c.executor_id).where(
        checkpointed.c.status == "PENDING", checkpointed.c.executor_id.in_(fenced)
    )
    if not database.is_postgres:
        connection = connection.execution_options(schema_translate_map={"dbos": None})
    return Orphans(
        is_any_expired=connection.execute(dead).first() is not None,
        begun={row.workflow_uuid: row.executor_id for row in connection.execute(begun)},
        waiting=list(connection.execute(left_behind(own_epoch)).scalars()),
    )
