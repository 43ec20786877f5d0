"""Assets over the gateway's route; the rules themselves are tested as pure functions."""

import gzip
from pathlib import Path

import httpx
import pytest

from graphs.principals import add_key
from tests.api.conftest import Api


@pytest.fixture
async def url(client: httpx.AsyncClient) -> str:
    made = await client.post("/api/v1/probe", json={"keep": "orrery " * 400})
    return str(made.json()["asset"]["url"])


async def test_an_asset_is_immutable_for_thirty_days(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.get(url, headers={"Accept-Encoding": "identity"})

    assert answer.text == "orrery " * 400
    assert answer.headers["cache-control"] == "public, max-age=2592000, immutable"
    assert answer.headers["etag"] == f'"{url.rsplit("/", 1)[1]}"'
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "probe.txt" in answer.headers["content-disposition"]
    assert "date" not in answer.headers  # the server tells it, once


async def test_head_gives_the_length_alone(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.head(url, headers={"Accept-Encoding": "identity"})

    assert answer.headers["content-length"] == "2800"
    assert answer.content == b""


async def test_text_travels_compressed(client: httpx.AsyncClient, url: str) -> None:
    async with client.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])

    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == b"orrery " * 400


async def test_what_the_client_has_is_not_sent_again(client: httpx.AsyncClient, url: str) -> None:
    etag = (await client.get(url)).headers["etag"]

    answer = await client.get(url, headers={"If-None-Match": etag})

    assert answer.status_code == 304
    assert answer.content == b""


async def test_ranges_single_multiple_conditional_and_beyond(
    client: httpx.AsyncClient, url: str
) -> None:
    plain = {"Accept-Encoding": "identity"}
    etag = (await client.get(url, headers=plain)).headers["etag"]
    one = await client.get(url, headers={**plain, "Range": "bytes=7-12"})
    two = await client.get(url, headers={**plain, "Range": "bytes=0-5,-7"})
    same = await client.get(url, headers={**plain, "Range": "bytes=0-5", "If-Range": etag})
    other = await client.get(url, headers={**plain, "Range": "bytes=0-5", "If-Range": '"x"'})
    beyond = await client.get(url, headers={**plain, "Range": "bytes=9999-"})

    assert (one.status_code, one.content) == (206, b"orrery")
    assert two.headers["content-type"].startswith("multipart/byteranges")
    assert same.status_code == 206
    assert other.status_code == 200
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == "bytes */2800"
    assert beyond.headers["content-type"] == "application/problem+json"


async def test_a_failed_condition_is_a_problem(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.get(url, headers={"If-Match": '"another"'})

    assert answer.status_code == 412
    assert answer.json()["type"].endswith("precondition-failed")


@pytest.mark.parametrize("path", ["/assets/../../etc/passwd", "/assets/%2e%2e", "/assets/x%00"])
async def test_no_path_leads_out_of_the_store(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404


async def test_a_deleted_asset_is_gone_and_its_twin_of_another_owner_is_not(
    api: Api, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    anna, bert, carl = (
        {
            "Authorization": f"Bearer {add_key(keys, name, name, frozenset({'assets'}))}",
            "Content-Type": "image/png",
        }
        for name in ("anna", "bert", "carl")
    )
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    async with api.client(keys) as client:
        url = (await client.post("/assets", content=png, headers=anna)).headers["location"]
        await client.post("/assets", content=png, headers=bert)

        assert (await client.delete(url)).status_code == 401
        assert (await client.delete(url, headers=carl)).status_code == 404
        assert (await client.delete(url, headers=anna)).status_code == 204
        assert (await client.delete(url, headers=anna)).status_code == 404
        assert (await client.get(url, headers=anna)).status_code == 404
        assert (await client.get(url, headers=bert)).content == png
