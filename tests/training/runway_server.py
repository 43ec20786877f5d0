"""A server on loopback that answers as Runway's API does."""

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TASK = "17f20503-6c24-4c16-946b-35dbbce2af2f"
CHARGED = {"cost": {"credits": 24}}


@dataclass
class Seen:
    """A request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Runway(ThreadingHTTPServer):
    """Answers like the provider: each question about the task gets its next state."""

    daemon_threads = True

    def __init__(self, clip: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.clip = clip
        self.seen: list[Seen] = []
        self.states: list[dict[str, Any] | int] = [self.succeeded]
        self.refusal: tuple[int, dict[str, Any], dict[str, str]] | None = None
        self.file_status, self.file_comes = 200, threading.Event()
        self.file_comes.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def succeeded(self) -> dict[str, Any]:
        return {"status": "SUCCEEDED", "output": [self.url + "/files/clip.mp4"], **CHARGED}

    def count(self, method: str, path: str) -> int:
        return sum((one.method, one.path) == (method, path) for one in self.seen)


class Handler(BaseHTTPRequestHandler):
    server: Runway

    def log_message(self, *_: object) -> None:
        return

    def _note(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(content) if content else {}
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(Seen(self.command, self.path, headers, body))

    def do_POST(self) -> None:
        self._note()
        if self.server.refusal:
            status, said, headers = self.server.refusal
            self._send(status, said, headers)
        else:
            self._send(200, {"id": TASK})

    def do_DELETE(self) -> None:
        self._note()
        self._send(204, None)

    def do_GET(self) -> None:
        self._note()
        if self.path == "/files/clip.mp4":
            self.server.file_comes.wait()
            content = self.server.clip if self.server.file_status == 200 else b""
            self._bytes(self.server.file_status, content, "video/mp4")
            return
        states = self.server.states
        state = states.pop(0) if len(states) > 1 else states[0]
        if isinstance(state, int):
            self._send(state, {"error": "no"})
        else:
            self._send(200, {"id": TASK, "createdAt": "2026-11-23T05:00:00Z", **state})

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self._bytes(status, content, "application/json", headers)

    def _bytes(
        self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        with suppress(ConnectionError):  # a client that gave up, as some tests want
            self._written(status, content, kind, headers)

    def _written(
        self, status: int, content: bytes, kind: str, headers: dict[str, str] | None
    ) -> None:
        self.send_response(status)
        fixed = {"Content-Type": kind, "Content-Length": str(len(content))}
        for name, value in (fixed | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
