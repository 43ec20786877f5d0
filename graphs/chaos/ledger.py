"""An outside party that counts effects, as a provider with idempotency keys does."""

import contextlib
import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Ledger:
    """An HTTP server on loopback: `POST` of an intent under an `Idempotency-Key`.

    The same key again is answered from memory, and counted as a repeat. Another key for the same
    intent is a second effect, which must never happen.

    Args:
        port: To listen on; 0 chooses a free one.
    """

    def __init__(self, port: int = 0) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, set[str]] = defaultdict(set)
        self.repeats = 0
        ledger = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                body = self.rfile.read(size)
                if len(body) < size:
                    raise ConnectionError("the client was killed while it asked")
                ledger.note(json.loads(body)["intent"], self.headers["Idempotency-Key"])
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):  # the client was killed
                    super().handle_one_request()
                    return
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where effects are made."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def note(self, intent: str, key: str) -> None:
        """Make an effect, unless it was made under this key."""
        with self._lock:
            self.repeats += key in self._keys[intent]
            self._keys[intent].add(key)

    def effects(self) -> dict[str, int]:
        """How often each intent happened."""
        with self._lock:
            return {intent: len(keys) for intent, keys in self._keys.items()}

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
