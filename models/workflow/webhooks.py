"""Signed webhooks, Standard Webhooks 1.0: written with the event, delivered until taken.

The row of a delivery is inserted in the transaction of its event, so none is lost and none is sent
for what did not happen. A delivery may arrive twice; its `webhook-id` is the same.
"""

import asyncio
import base64
import fnmatch
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.core.errors import CapabilityError, ModelUnavailable
from models.workflow.database import Database, hook_secrets, hooks
from models.workflow.journal import Entry

logger = logging.getLogger(__name__)

Post = Callable[[str, Mapping[str, str], bytes], None]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - not a secret itself
BACKOFF_S: Final = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
CLAIM_S: Final = 90.0
BATCH: Final = 16
LARGE: Final = frozenset({"output", "preview"})  # of an event; a message names the task instead


def post_nowhere(_url: str, _headers: Mapping[str, str], _body: bytes) -> None:
    """Refuse: nothing was told how to send.

    Raises:
        ModelUnavailable: Always.
    """
    raise ModelUnavailable("this engine sends no webhooks")


@dataclass(frozen=True)
class Delivery:
    """A message that is due."""

    message_id: str
    owner: str
    url: str
    body: str
    attempts: int
    due_at: float


def wanted(entry: Entry) -> bool:
    """Whether the caller wants to hear of an event."""
    hook = entry.webhook
    return hook is not None and any(fnmatch.fnmatchcase(entry.name, p) for p in hook.events)


def message_of(entry: Entry, number: int, now: float) -> dict[str, object]:
    """The row of a delivery."""
    assert entry.webhook is not None  # noqa: S101 - it is wanted
    data = {"task_id": entry.run_id, "number": number, "task": entry.task, "item": entry.item}
    details = {name: value for name, value in (entry.data or {}).items() if name not in LARGE}
    body = {
        "type": entry.name,
        "timestamp": datetime.fromtimestamp(now, UTC).isoformat(),
        "data": {**data, **details},
    }
    return {
        "message_id": f"msg_{entry.run_id}_{number}",
        "run_id": entry.run_id,
        "owner": entry.owner,
        "url": entry.webhook.url,
        "body": json.dumps(body, separators=(",", ":")),
        "attempts": 0,
        "due_at": now,
    }


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """Value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Dispatcher:
    """Delivers what is due; several processes may do so side by side.

    Args:
        database: Where the deliveries are.
        post: Sends one; raises `CapabilityError` unless it was taken.
    """

    def __init__(self, database: Database, post: Post) -> None:
        self._database = database
        self._post = post

    async def secret_of(self, owner: str) -> str:
        """The key that an owner's messages are signed with; made on first use."""
        found = sa.select(hook_secrets.c.secret).where(hook_secrets.c.owner == owner)

        def look_up(connection: sa.Connection) -> str | None:
            secret: str | None = connection.execute(found).scalar()
            return secret

        def make(connection: sa.Connection) -> None:
            secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
            connection.execute(sa.insert(hook_secrets).values(owner=owner, secret=secret))

        while (known := await self._database.read(look_up)) is None:
            try:
                await self._database.write(make)
            except IntegrityError:
                continue  # another process made one in this moment
        return known

    async def deliver_due(self) -> int:
        """Try everything that is due once; gives how much was taken."""
        due = await self._database.read(_due)
        done = await asyncio.gather(*(self._deliver(delivery) for delivery in due))
        return sum(done)

    async def _deliver(self, delivery: Delivery) -> bool:
        if not await self._database.write(lambda c: _claim(c, delivery)):
            return False
        timestamp = int(time.time())
        secret = await self.secret_of(delivery.owner)
        signed = signature(secret, delivery.message_id, timestamp, delivery.body)
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signed,
        }
        try:
            await asyncio.to_thread(self._post, delivery.url, headers, delivery.body.encode())
        except CapabilityError as error:
            extra = {"message_id": delivery.message_id, "code": error.code}
            logger.warning("webhook not taken", extra=extra)
            await self._database.write(lambda c: _postpone(c, delivery))
            return False
        await self._database.write(lambda c: _remove(c, delivery))
        return True


def _due(connection: sa.Connection) -> list[Delivery]:
    rows = connection.execute(
        sa.select(hooks).where(hooks.c.due_at <= time.time()).order_by(hooks.c.due_at).limit(BATCH)
    )
    return [
        Delivery(row.message_id, row.owner, row.url, row.body, row.attempts, row.due_at)
        for row in rows
    ]


def _claim(connection: sa.Connection, delivery: Delivery) -> bool:
    """Whether this process may deliver: the first to move the time on."""
    same = sa.and_(hooks.c.message_id == delivery.message_id, hooks.c.due_at == delivery.due_at)
    until = time.time() + CLAIM_S
    return connection.execute(sa.update(hooks).where(same).values(due_at=until)).rowcount == 1


def _postpone(connection: sa.Connection, delivery: Delivery) -> None:
    this = hooks.c.message_id == delivery.message_id
    if delivery.attempts >= len(BACKOFF_S):
        logger.error("webhook given up", extra={"message_id": delivery.message_id})
        connection.execute(sa.delete(hooks).where(this))
        return
    due_at = time.time() + BACKOFF_S[delivery.attempts]
    values = {"attempts": delivery.attempts + 1, "due_at": due_at}
    connection.execute(sa.update(hooks).where(this).values(values))


def _remove(connection: sa.Connection, delivery: Delivery) -> None:
    connection.execute(sa.delete(hooks).where(hooks.c.message_id == delivery.message_id))
