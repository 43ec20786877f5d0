"""An open load over HTTP: requests leave at their time, whether or not earlier ones were answered.

Connections are raw and kept alive, so that the client costs little of the cores that it shares.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import psutil

LAYERS = {
    "haproxy": "proxy",
    "ProxyActor": "proxy",
    ":gateway": "gateway",
    ":fraud": "replica",
    ":orchestrator": "orchestrator",
    "ServeController": "controller",
}
LEAD_S = 0.1  # before the first request leaves
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Client:
    """Posts JSON to one route.

    Args:
        host: Of the service.
        port: Of the service.
        route: Path that is posted to.
    """

    def __init__(self, host: str, port: int, route: str) -> None:
        self._host, self._port, self._route = host, port, route
        self._idle: list[Connection] = []

    async def post(self, body: bytes) -> bytes:
        """The answer's body; anything but 200 ends the measurement."""
        connection = self._idle.pop() if self._idle else await self._connected()
        reader, writer = connection
        head = (
            f"POST {self._route} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        content = await _body(reader, answer.lower())
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"answered {answer.splitlines()[0]!r}: {content[:300]!r}")
        self._idle.append(connection)
        return content

    async def latencies_s(self, bodies: Sequence[bytes], rate: float) -> list[float]:
        """From when each request was due to its answer, at a rate of requests per second."""
        began_s = time.perf_counter() + LEAD_S

        async def send(body: bytes, due_s: float) -> float:
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            await self.post(body)
            return time.perf_counter() - due_s

        sent = [send(body, began_s + number / rate) for number, body in enumerate(bodies)]
        return await asyncio.gather(*sent)

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _connected(self) -> Connection:
        return await asyncio.open_connection(self._host, self._port)


def cpu_s(root: psutil.Process) -> defaultdict[str, float]:
    """CPU seconds so far of each layer of a service."""
    found: defaultdict[str, float] = defaultdict(float)
    for process in (root, *root.children(recursive=True)):
        try:
            title, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        layer = next((name for mark, name in LAYERS.items() if mark in title), "rest")
        found[layer] += times.user + times.system
    return found


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"content-length:" in head:
        return await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    found = []
    while (size := int(await reader.readline(), 16)) > 0:
        found.append((await reader.readexactly(size + 2))[:size])
    await reader.readline()
    return b"".join(found)
