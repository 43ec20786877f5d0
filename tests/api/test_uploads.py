"""Files of the caller's own become assets; what is no such file does not."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from graphs.principals import add_key
from graphs.routes import uploads
from tests.api.conftest import Api

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40  # longer than a JSON body may be here
IS_PNG = {"Content-Type": "image/png"}


async def test_a_file_is_kept_and_served_with_its_type_and_name(client: httpx.AsyncClient) -> None:
    made = await client.post("/assets?filename=my%20dog.png", content=PNG, headers=IS_PNG)
    served = await client.get(made.headers["location"])

    assert made.status_code == 201
    assert made.json()["id"] == hashlib.sha256(PNG).hexdigest()
    assert made.json()["size_bytes"] == len(PNG)
    assert served.content == PNG
    assert served.headers["content-type"] == "image/png"
    assert "my dog.png" in served.headers["content-disposition"]


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("image/jpeg", b"\xff\xd8\xff\xe0"),
        ("image/webp", b"RIFF\x04\x00\x00\x00WEBP"),
        ("image/avif", b"\x00\x00\x00\x20ftypavif"),
        ("image/x-exr", b"\x76\x2f\x31\x01"),
        ("image/vnd.radiance", b"#?RADIANCE\n"),
        ("application/zip", b"PK\x03\x04"),
    ],
)
async def test_pictures_panoramas_and_archives_are_taken(
    client: httpx.AsyncClient, media_type: str, content: bytes
) -> None:
    made = await client.post("/assets", content=content, headers={"Content-Type": media_type})

    assert (made.status_code, made.json()["media_type"]) == (201, media_type)


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/html"}, b"<script>", 415),
        ({"Content-Type": "image/svg+xml"}, b"<svg>", 415),
        ({"Content-Type": "application/octet-stream"}, PNG, 415),
        ({}, PNG, 415),
        ({**IS_PNG, "Content-Encoding": "gzip"}, PNG, 415),
        (IS_PNG, b"<html>" + PNG, 422),
        (IS_PNG, b"", 422),
        ({**IS_PNG, "Content-Length": "99999999999"}, PNG, 413),
    ],
)
async def test_what_is_no_such_file_is_refused(
    client: httpx.AsyncClient, api: Api, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = await client.post("/assets", content=content, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert not list(api.store.verify())
    assert not list((api.store._layout.root / "blobs").glob("*/*/*"))


async def test_a_name_is_no_path(client: httpx.AsyncClient) -> None:
    answer = await client.post("/assets?filename=../x.png", content=PNG, headers=IS_PNG)

    assert answer.status_code == 422


async def test_a_body_without_a_length_is_cut_off_at_the_limit(api: Api) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        yield PNG
        while True:
            given += 4096
            yield bytes(4096)

    api.max_upload_bytes = 2**17
    async with api.client() as client:
        answer = await client.post("/assets", content=endless(), headers=IS_PNG)

    assert answer.status_code == 413
    assert given <= 2**17
    assert not list((api.store._layout.root / "blobs").glob("*/*/*"))


async def test_other_routes_keep_their_limit(client: httpx.AsyncClient) -> None:
    json = {"Content-Type": "application/json"}

    assert (await client.post("/api/v1/probe", content=PNG, headers=json)).status_code == 413
    assert (await client.put("/assets", content=PNG, headers=json)).status_code == 413


async def test_it_belongs_to_its_owner_and_needs_the_scope(api: Api, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    anna = add_key(keys, "a", "anna", frozenset({"assets"}))
    bert = add_key(keys, "b", "bert", frozenset({"assets"}))
    other = add_key(keys, "c", "carl", frozenset({"image"}))
    async with api.client(keys) as client:

        def by(key: str) -> dict[str, str]:
            return {**IS_PNG, "Authorization": f"Bearer {key}"}

        made = await client.post("/assets", content=PNG, headers=by(anna))
        url = made.headers["location"]

        assert (await client.get(url, headers=by(anna))).status_code == 200
        assert (await client.get(url, headers=by(bert))).status_code == 404
        assert (await client.post("/assets", content=PNG, headers=by(other))).status_code == 403
        assert (await client.post("/assets", content=PNG, headers=IS_PNG)).status_code == 401


async def test_a_body_that_never_ends_gives_its_place_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield PNG
        await asyncio.sleep(60)
        yield PNG

    monkeypatch.setattr(uploads, "LIMIT_S", 0.1)
    answer = await client.post("/assets", content=slow(), headers=IS_PNG)

    assert answer.status_code == 400
