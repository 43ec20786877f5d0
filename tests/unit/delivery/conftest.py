"""A loopback server that only parses, asks `models.delivery` and copies slices."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.core.artifacts import ArtifactStore, Provenance
from models.core.errors import UnknownAsset
from models.core.local_store import LocalArtifactStore
from models.delivery import Representation, Slice, answer, asset_of, not_found

OWNER = "astronomer"
PROVENANCE = Provenance(capability="test", backend="test")


class AssetServer:
    """Serves the public assets of one owner on 127.0.0.1, one request a connection."""

    def __init__(self, store: ArtifactStore) -> None:
        self.store = store
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> "AssetServer":
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        fields = {name: value for name, _, value in (line.partition(":") for line in lines)}
        asset_id, now = asset_of(target), datetime.now(UTC)
        try:
            record = self.store.stat(asset_id or "", OWNER)
            reply = answer(method, fields, Representation.of(record), public=True, now=now)
        except UnknownAsset:
            reply = not_found(now)
        head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
        writer.write(f"HTTP/1.1 {reply.status} -\r\n{head}\r\n".encode("latin-1"))
        for part in reply.parts:
            if isinstance(part, Slice):
                for chunk in self.store.read(asset_id, OWNER, *part, reply.encoding):
                    writer.write(chunk)
            else:
                writer.write(part)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture(scope="module")
def asset_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AssetServer]:
    folder: Path = tmp_path_factory.mktemp("assets")
    with AssetServer(LocalArtifactStore(folder, min_free_bytes=0)) as server:
        yield server
