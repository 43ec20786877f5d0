"""The 39 promises of delivery, asked over a plain socket so that nothing is normalised away."""

import gzip
import http.client
import io
import re
import socket
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from models.core.artifacts import Provenance

SIZE = 50_000
BINARY = np.random.default_rng(39).bytes(SIZE)
TEXT = b'{"star": "Vega", "magnitude": 0.03}\n' * 400


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def __getitem__(self, name):
        return (
            self.headers.get(name, "") if isinstance(name, str) else tuple.__getitem__(self, name)
        )

    @property
    def content_ranges(self) -> list[str]:
        return re.findall(r"Content-Range: (.*)\r\n", self.body.decode("latin-1"))


class Exchange:
    """Requests to one asset; remembers its validators."""

    def __init__(self, port: int, target: str) -> None:
        self.port, self.target = port, target
        whole = self()
        self.etag, self.modified = whole["ETag"], whole["Last-Modified"]

    def __call__(self, method="GET", target=None, **fields: str) -> Reply:
        lines = [f"{method} {target or self.target} HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            data = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = data.partition(b"\r\n\r\n")
        status, _, rest = head.partition(b"\r\n")
        headers = http.client.parse_headers(io.BytesIO(rest + b"\r\n\r\n"))
        return Reply(int(status.split()[1]), headers, body)


@pytest.fixture(scope="module")
def binary(asset_server) -> Exchange:
    return _exchange(asset_server, BINARY, "image/webp", "nebula.webp")


@pytest.fixture(scope="module")
def text(asset_server) -> Exchange:
    return _exchange(asset_server, TEXT, "application/json", "stars.json")


def _exchange(server, content: bytes, media_type: str, filename: str) -> Exchange:
    origin = Provenance(capability="test", backend="test")
    asset = server.store.put(
        content, owner="astronomer", media_type=media_type, filename=filename, provenance=origin
    )
    return Exchange(server.port, asset.url)


def _partial(reply: Reply, expected: bytes) -> bool:
    return reply.status == 206 and reply.body == expected


def _whole(reply: Reply) -> bool:
    return reply.status == 200 and reply.body == BINARY


def _described(r: Reply) -> bool:
    named = all(r[name] for name in ("ETag", "Last-Modified", "Date", "Content-Type"))
    lasting = r["Cache-Control"] == "public, max-age=2592000, immutable"
    return _whole(r) and named and lasting and r["Accept-Ranges"] == "bytes"


def _ordered(r: Reply) -> bool:
    return r.content_ranges == [f"bytes 5000-5009/{SIZE}", f"bytes 0-9/{SIZE}"]


def _two_parts(r: Reply) -> bool:
    kind = r["Content-Type"].startswith("multipart/byteranges")
    return r.status == 206 and kind and len(r.content_ranges) == 2


def _not_modified(e: Exchange, r: Reply) -> bool:
    kept = r["ETag"] == e.etag and "immutable" in r["Cache-Control"]
    return r.status == 304 and not r.body and kept


def _bounded(r: Reply) -> bool:
    return r.status in (200, 206, 400, 416) and len(r.body) <= 2 * SIZE


TINY = "bytes=" + ",".join(f"{i}-{i}" for i in range(0, 3000, 2))
OVERLAPPING = "bytes=" + ",".join(["0-"] * 200)
FIRST = "bytes=0-9"
EPOCH = "Mon, 01 Jan 1990 00:00:00 GMT"

BINARY_CHECKS: list[tuple[str, Callable[[Exchange], bool]]] = [
    ("01 GET gives bytes and metadata", lambda e: _described(e())),
    ("02 the entity tag is strong", lambda e: re.fullmatch(r'"[^"]+"', e.etag) is not None),
    (
        "03 HEAD: same length, no body",
        lambda e: (
            (r := e("HEAD")).status == 200 and not r.body and r["Content-Length"] == str(SIZE)
        ),
    ),
    ("04 first bytes", lambda e: _partial(e(Range=FIRST), BINARY[:10])),
    ("05 last bytes", lambda e: _partial(e(Range="bytes=-10"), BINARY[-10:])),
    ("06 end past size", lambda e: _partial(e(Range=f"bytes={SIZE - 9}-{SIZE * 2}"), BINARY[-9:])),
    ("07 suffix past size", lambda e: e(Range=f"bytes=-{SIZE + 1}").body == BINARY),
    (
        "08 start past size",
        lambda e: (
            (r := e(Range=f"bytes={SIZE}-")).status == 416
            and r["Content-Range"] == f"bytes */{SIZE}"
        ),
    ),
    ("09 empty suffix", lambda e: e(Range="bytes=-0").status == 416),
    ("10 two ranges", lambda e: _two_parts(e(Range="bytes=0-0,-1"))),
    ("11 one of two", lambda e: _partial(e(Range=f"bytes=0-9,{SIZE}-"), BINARY[:10])),
    ("12 order kept", lambda e: _ordered(e(Range="bytes=5000-5009,0-9"))),
    ("13 other unit", lambda e: _whole(e(Range="lines=0-9"))),
    ("14 last before first", lambda e: e(Range="bytes=9-0").status in (200, 416)),
    ("15 no grammar", lambda e: e(Range="bytes=abc").status in (200, 416)),
    ("16 unit in capitals", lambda e: _partial(e(Range="BYTES=0-9"), BINARY[:10])),
    ("17 HEAD ignores Range", lambda e: e("HEAD", Range=FIRST).status == 200),
    ("18 1,500 tiny ranges", lambda e: _bounded(e(Range=TINY))),
    ("19 200 overlapping ranges", lambda e: _bounded(e(Range=OVERLAPPING))),
    ("20 If-Range same", lambda e: _partial(e(Range=FIRST, If_Range=e.etag), BINARY[:10])),
    ("21 If-Range other", lambda e: _whole(e(Range=FIRST, If_Range='"other"'))),
    ("22 If-Range weak", lambda e: _whole(e(Range=FIRST, If_Range=f"W/{e.etag}"))),
    ("23 If-None-Match same", lambda e: _not_modified(e, e(If_None_Match=e.etag))),
    ("24 in a weak list", lambda e: _not_modified(e, e(If_None_Match=f'"x", W/{e.etag}'))),
    ("25 If-None-Match *", lambda e: _not_modified(e, e(If_None_Match="*"))),
    ("26 If-Modified-Since", lambda e: _not_modified(e, e(If_Modified_Since=e.modified))),
    ("27 tag over date", lambda e: _whole(e(If_None_Match='"x"', If_Modified_Since=e.modified))),
    ("28 If-Match other", lambda e: e(If_Match='"x"').status == 412),
    ("29 If-Unmodified-Since past", lambda e: e(If_Unmodified_Since=EPOCH).status == 412),
    ("30 304 before Range", lambda e: _not_modified(e, e(If_None_Match=e.etag, Range=FIRST))),
    ("31 POST", lambda e: (r := e("POST")).status == 405 and r["Allow"] == "GET, HEAD"),
]

TEXT_CHECKS: list[tuple[str, Callable[[Exchange], bool]]] = [
    (
        "32 gzip on request",
        lambda e: (
            (r := e(Accept_Encoding="gzip"))["Content-Encoding"] == "gzip"
            and r["Vary"] == "Accept-Encoding"
            and gzip.decompress(r.body) == TEXT
        ),
    ),
    (
        "33 identity otherwise",
        lambda e: (
            (r := e()).body == TEXT and not r["Content-Encoding"] and r["Vary"] == "Accept-Encoding"
        ),
    ),
    ("34 tags differ", lambda e: e(Accept_Encoding="gzip")["ETag"] not in ("", e.etag)),
    ("35 gzip refused", lambda e: e(Accept_Encoding="gzip;q=0").body == TEXT),
]

ESCAPES = {
    "36 dots": "/../../../../../../etc/passwd",
    "37 encoded dots": "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "38 encoded slashes": "/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "39 NUL": "/x%00.webp",
}


@pytest.mark.parametrize(("claim", "holds"), BINARY_CHECKS, ids=[c for c, _ in BINARY_CHECKS])
def test_promise_for_any_asset(claim, holds, binary):
    assert holds(binary), claim


@pytest.mark.parametrize(("claim", "holds"), TEXT_CHECKS, ids=[c for c, _ in TEXT_CHECKS])
def test_promise_for_text(claim, holds, text):
    assert holds(text), claim


@pytest.mark.parametrize("claim", ESCAPES)
def test_no_way_out_of_the_store(claim, binary):
    reply = binary(target=f"/assets{ESCAPES[claim]}")

    assert reply.status == 404
    assert b"root:" not in reply.body


def test_there_are_39_promises():
    assert len(BINARY_CHECKS) + len(TEXT_CHECKS) + len(ESCAPES) == 39
