"""Ordinary calls take a short way through the gateway, and nobody can tell but by the clock."""

import pickle
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphs.catalogue import CATALOGUE
from graphs.entry import Entry
from graphs.principals import add_key
from tests.api.conftest import Api, InProcess

ROUTE = "/api/v1/probe"
JSON = {"Content-Type": "application/json"}
LONG_WAY = {"any": "1"}  # a parameter that no operation has


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the requests that took the short way."""
    taken: list[str] = []
    content = InProcess.content

    async def noted(
        self: InProcess, entry: Entry, request: Any, owner: str, request_id: str
    ) -> object:
        taken.append(request_id)
        return await content(self, entry, request, owner, request_id)

    monkeypatch.setattr(InProcess, "content", noted)
    return taken


def seen(answer: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return answer.status_code, answer.headers.raw, answer.content


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b' {"label": "x", "label": "twice"}\n',
        '{"label": "\u4f60\u597d"}'.encode(),
        '{"keep": "\u4f60\u597d \\ud83d\\ude00"}'.encode("utf-16"),
        b'{"sleep_s": 61}',
        b'{"sleep_s": NaN}',
        b'{"unknown": 1}',
        b'{"fail": "capacity-exceeded"}',
        b'{"fail": "model-unavailable"}',
        b'{"fail": "bug"}',
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"[" * 3_000,
    ],
)
async def test_both_ways_answer_in_the_same_bytes(api: Api, body: bytes) -> None:
    headers = {**JSON, "X-Request-ID": "same"}
    async with api.client() as client:
        short = await client.post(ROUTE, content=body, headers=headers)
        long = await client.post(ROUTE, content=body, headers=headers, params=LONG_WAY)

    if "asset" not in short.text or short.json()["asset"] is None:
        assert seen(short) == seen(long)
    assert short.status_code == long.status_code


async def test_without_a_key_both_ways_refuse_alike(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    other = add_key(path, "other", "acme", frozenset({"video"}))
    async with api.client(keys_file=path) as client:
        for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": other}):
            named = {**JSON, "X-Request-ID": "same", **headers}
            for body in (b"{}", b"{", b'{"sleep_s": 61}'):
                short = await client.post(ROUTE, content=body, headers=named)
                long = await client.post(ROUTE, content=body, headers=named, params=LONG_WAY)

                assert seen(short) == seen(long)
                assert short.status_code in {400, 401, 403}
    assert api.backend.runs == 0


async def test_the_short_way_knows_whose_run_it_is(
    api: Api, short: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    key = add_key(path, "mine", "acme", frozenset({"probe"}))
    async with api.client(keys_file=path) as client:
        answer = await client.post(
            ROUTE, json={}, headers={"X-API-Key": key, "X-Request-ID": "find-me"}
        )

    assert short == ["find-me"]
    assert answer.json()["owner"] == "acme"
    assert answer.json()["request_id"] == "find-me"


@pytest.mark.parametrize(
    "headers",
    [
        {"Prefer": "respond-async"},
        {"Idempotency-Key": "once"},
        {"Accept": "text/event-stream"},
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
    ],
)
async def test_who_asks_for_more_than_the_answer_takes_the_long_way(
    api: Api, short: list[str], headers: dict[str, str]
) -> None:
    async with api.client() as client:
        answer = await client.post(ROUTE, content=b"{}", headers={**JSON, **headers})

    assert not short
    assert answer.status_code in {200, 415, 422}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_request_travels_as_an_importable_value(entry: Entry) -> None:
    asked = entry.request.model_validate(entry.example)

    assert pickle.loads(pickle.dumps(asked)) == asked


async def test_other_methods_are_told_which_there_are(api: Api) -> None:
    async with api.client() as client:
        answer = await client.put(ROUTE, json={})

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
