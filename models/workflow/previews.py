"""What results look like so far: too large for an event, and of no use once the run has ended."""

import asyncio
import hashlib
import time
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from models.core.artifacts import ASSET_ROUTE, PREVIEW, ArtifactStore
from models.core.errors import UnknownAsset
from models.workflow.database import Database, events, previews
from models.workflow.events import ENDINGS

BATCH: Final = 100


class Previews:
    """Keeps previews as assets of the owner, and deletes them when their run has ended.

    A preview is noted before it is kept, so that a crash between the two leaves nothing behind.
    """

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._store = store

    async def keep(self, run_id: str, owner: str, content: bytes, media_type: str) -> str:
        """URL of the preview.

        Raises:
            StorageFull: There is no room for it.
        """
        asset_id = hashlib.sha256(content).hexdigest()
        row = {"run_id": run_id, "asset_id": asset_id, "owner": owner, "kept_at": time.time()}
        await self._database.write(lambda c: _note(c, row))
        await asyncio.to_thread(
            self._store.put,
            content,
            owner=owner,
            media_type=media_type,
            filename="preview",
            provenance=PREVIEW,
        )
        return ASSET_ROUTE + asset_id

    async def clear(self) -> int:
        """Delete the previews of runs that have ended; gives their number."""
        ending = sa.and_(events.c.run_id == previews.c.run_id, events.c.name.in_(tuple(ENDINGS)))
        wanted = sa.select(previews).where(sa.exists().where(ending)).limit(BATCH)
        rows = await self._database.read(lambda c: c.execute(wanted).all())
        for row in rows:
            await asyncio.to_thread(self._delete, row.asset_id, row.owner)
            await self._database.write(partial(_forget, row))
        return len(rows)

    def _delete(self, asset_id: str, owner: str) -> None:
        try:
            # The same bytes may have become a result.
            if self._store.stat(asset_id, owner).is_passing:
                self._store.delete(asset_id, owner)
        except UnknownAsset:
            return  # its owner, or another process, was faster


def _note(connection: sa.Connection, row: dict[str, object]) -> None:
    own = (previews.c.run_id == row["run_id"]) & (previews.c.asset_id == row["asset_id"])
    if connection.execute(sa.select(previews.c.run_id).where(own)).first() is None:
        connection.execute(sa.insert(previews).values(row))


def _forget(row: sa.Row[Any], connection: sa.Connection) -> None:
    own = (previews.c.run_id == row.run_id) & (previews.c.asset_id == row.asset_id)
    connection.execute(sa.delete(previews).where(own))
