import email
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from models.delivery import Representation, Slice, answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONTENT = bytes(i % 251 for i in range(4000))
ASSET = Representation(
    id="ab" * 32,
    media_type="image/png",
    size_bytes=len(CONTENT),
    gzip_bytes=None,
    last_modified=NOW - timedelta(days=1),
    filename="sky.png",
)


def ask(method="GET", representation=ASSET, *, public=True, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(method, fields, representation, public=public, now=NOW)


def body(reply):
    slices = (
        CONTENT[p.start : p.start + p.length] if isinstance(p, Slice) else p for p in reply.parts
    )
    return b"".join(slices)


def test_names_of_headers_are_matched_in_any_case():
    assert ask(RANGE="bytes=0-0").status == 206


def test_an_owned_asset_stays_out_of_shared_caches():
    assert dict(ask(public=False).headers)["Cache-Control"].startswith("private, ")


def test_refusals_are_not_stored():
    assert dict(ask("DELETE").headers)["Cache-Control"] == "no-store"


def test_an_svg_is_sandboxed_and_downloaded():
    fields = dict(ask(representation=_with(media_type="image/svg+xml")).headers)

    assert fields["Content-Disposition"].startswith("attachment")
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_last_modified_is_never_in_the_future():
    fields = dict(ask(representation=_with(last_modified=NOW + timedelta(hours=1))).headers)

    assert fields["Last-Modified"] == fields["Date"]


def test_an_empty_asset_is_whole_without_a_body():
    reply = ask(representation=_with(size_bytes=0), range="bytes=-5")

    assert (reply.status, reply.parts) == (200, ())


def test_gzip_slices_are_taken_of_the_gzip_form():
    text = _with(gzip_bytes=900)
    reply = ask(
        representation=text, accept_encoding="gzip", range="bytes=100-", if_range=text.etag("gzip")
    )

    assert reply.encoding == "gzip"
    assert reply.parts == (Slice(100, 800),)
    assert dict(reply.headers)["Content-Range"] == "bytes 100-899/900"


def test_several_ranges_of_the_gzip_form_give_the_whole():
    text = _with(gzip_bytes=900)
    tag = text.etag("gzip")
    reply = ask(representation=text, accept_encoding="gzip", range="bytes=0-0,9-9", if_range=tag)

    assert (reply.status, reply.parts) == (200, (Slice(0, 900),))


def test_a_mail_parser_reads_the_parts():
    reply = ask(range="bytes=3000-3099,0-9")

    kind = dict(reply.headers)["Content-Type"].encode()
    message = email.message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + body(reply))
    parts = [part["Content-Range"] for part in message.get_payload()]
    assert parts == ["bytes 3000-3099/4000", "bytes 0-9/4000"]


BOUNDS = st.integers(0, 4500)
SPECS = st.one_of(
    st.tuples(BOUNDS, BOUNDS).map(lambda b: f"{min(b)}-{max(b)}"),
    BOUNDS.map(lambda b: f"{b}-"),
    BOUNDS.map(lambda b: f"-{b}"),
)


@given(st.lists(SPECS, min_size=1, max_size=30))
def test_parts_equal_the_slices_and_never_exceed_the_asset(specs):
    reply = ask(range="bytes=" + ",".join(specs))
    fields, content = dict(reply.headers), body(reply)

    assert int(fields["Content-Length"]) == reply.body_bytes == len(content) <= len(CONTENT)
    assert reply.status in (200, 206, 416)
    if reply.status == 200:
        assert content == CONTENT
    if "multipart" in fields.get("Content-Type", ""):
        for head, part in zip(reply.parts[::2], reply.parts[1::2], strict=False):
            last = part.start + part.length - 1
            assert f"bytes {part.start}-{last}/4000".encode() in head


@given(
    st.sampled_from(["GET", "HEAD", "PUT"]),
    st.dictionaries(
        st.sampled_from(
            ["range", "if-range", "if-match", "if-none-match", "if-modified-since",
             "if-unmodified-since", "accept-encoding"]
        ),
        st.text(st.characters(max_codepoint=255), max_size=40),
    ),
)  # fmt: skip
def test_no_header_breaks_an_answer(method, headers):
    reply = answer(method, headers, _with(gzip_bytes=900), public=True, now=NOW)

    assert reply.status in (200, 206, 304, 405, 412, 416)
    assert method == "GET" or not reply.parts


def _with(**changes):
    return replace(ASSET, **changes)
