"""Who may call, and what they see."""

import json
import shutil
from pathlib import Path

import httpx
import pytest

from graphs.cli import main
from graphs.principals import add_key, remove_key
from tests.api.conftest import Api

EVERYTHING = frozenset({"*"})
ADD = ("keys", "add")


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_without_keys_this_machine_is_served(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/probe", json={})

    assert answer.json()["owner"] == "local"


@pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.1", "2001:db8::1"])
async def test_without_keys_no_other_machine_is_served(api: Api, peer: str) -> None:
    async with api.client(peer=peer) as client:
        answer = await client.get("/health")

    assert answer.status_code == 403
    assert "orrery keys add" in answer.json()["detail"]


async def test_without_keys_a_forwarded_stranger_is_not_served(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health", headers={"X-Forwarded-For": "192.0.2.7, 127.0.0.1"})

    assert answer.status_code == 403


async def test_without_keys_a_rebound_host_name_is_not_served(api: Api) -> None:
    async with api.client(host="evil.example") as client:
        answer = await client.get("/health")

    assert answer.status_code == 403


async def test_with_keys_every_route_needs_one(api: Api, keys_file: Path) -> None:
    add_key(keys_file, "a", "a", EVERYTHING)
    async with api.client() as open_client:
        paths = (await open_client.get("/openapi.json")).json()["paths"]
    async with api.client(keys_file) as client:
        for path, operations in [*paths.items(), ("/openapi.json", {"get": {}})]:
            for method in operations:
                answer = await client.request(method, path.replace("{asset_id}", "0" * 64), json={})
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_known_key_is_let_in_from_anywhere(api: Api, keys_file: Path) -> None:
    key = add_key(keys_file, "a", "acme", EVERYTHING)
    async with api.client(keys_file, peer="192.0.2.7", host="orrery.example") as client:
        by_bearer = await client.post("/api/v1/probe", json={}, headers=bearer(key))
        by_header = await client.post("/api/v1/probe", json={}, headers={"X-API-Key": key})
        wrong = await client.post("/api/v1/probe", json={}, headers=bearer(key + "x"))

    assert by_bearer.json()["owner"] == by_header.json()["owner"] == "acme"
    assert wrong.status_code == 401
    assert key not in wrong.text


async def test_a_scope_opens_its_routes_only(api: Api, keys_file: Path) -> None:
    key = add_key(keys_file, "a", "acme", frozenset({"status"}))
    async with api.client(keys_file) as client:
        status = await client.get("/status", headers=bearer(key))
        probe = await client.post("/api/v1/probe", json={}, headers=bearer(key))

    assert status.status_code == 200
    assert probe.status_code == 403
    assert "'probe'" in probe.json()["detail"]


async def test_a_removed_key_is_refused_at_once(api: Api, keys_file: Path) -> None:
    key = add_key(keys_file, "a", "acme", EVERYTHING)
    async with api.client(keys_file) as client:
        before = await client.get("/health", headers=bearer(key))
        remove_key(keys_file, "a")
        after = await client.get("/health", headers=bearer(key))

    assert (before.status_code, after.status_code) == (200, 401)


async def test_a_broken_key_file_lets_nobody_in(api: Api, keys_file: Path) -> None:
    add_key(keys_file, "a", "acme", EVERYTHING)
    shutil.copy(__file__, keys_file)
    async with api.client(keys_file) as client:
        answer = await client.get("/health", headers=bearer("any"))

    assert answer.status_code == 503


def test_the_file_keeps_no_key(keys_file: Path) -> None:
    key = add_key(keys_file, "a", "acme", EVERYTHING)

    stored = json.loads(keys_file.read_text())["keys"][0]
    assert key not in keys_file.read_text()
    assert stored["owner"] == "acme"
    assert keys_file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("action", [["list"], ["remove", "--name", "a"]])
@pytest.mark.parametrize(("content", "said"), [(None, "keys add` creates it"), ("x", "not a file")])
def test_the_command_says_what_is_wrong_with_a_key_file(
    keys_file: Path,
    action: list[str],
    content: str | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        keys_file.write_text(content)

    assert main(["keys", *action, "--file", str(keys_file)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*ADD, "--owner", "a/b", "--file", "FILE"], "the name must be 1 to 64 letters"),
        ([*ADD, "--owner", "/", "--name", "a", "--file", "FILE"], "the owner must be 1 to 64"),
        ([*ADD, "--owner", "a", "--file", "/dev/null/k.json"], "cannot be written"),
        (["serve", "--port", "65536"], "a port is a number from 1 to 65535, not 65536"),
        (["serve", "--port", "0"], "a port is a number"),
        (["serve", "--dashboard-port", "-1"], "a port is a number"),
        (["chaos", "--kills", "0"], "--kills must be above 0"),
    ],
)
def test_the_command_says_what_is_wrong_with_its_arguments(
    keys_file: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(keys_file) if each == "FILE" else each for each in arguments]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("orrery: ")
    assert said in printed
    assert not keys_file.exists()


def test_a_missing_key_file_keeps_the_service_from_starting(
    keys_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORRERY_KEYS_FILE", str(keys_file))

    assert main(["serve"]) == 2
    assert "orrery: mend the ORRERY_* variables: settings: keys_file" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "- a list", "{"])
def test_a_configuration_that_cannot_be_read_is_named(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "serve.yaml"
    if content is not None:
        path.write_text(content)

    assert main(["serve", "--config", str(path)]) == 2
    assert f"orrery: {path} " in capsys.readouterr().err


async def test_tenants_do_not_see_each_others_assets(api: Api, keys_file: Path) -> None:
    ours = add_key(keys_file, "a", "acme", EVERYTHING)
    theirs = add_key(keys_file, "b", "rival", EVERYTHING)
    async with api.client(keys_file) as client:
        made = await client.post("/api/v1/probe", json={"keep": "ours"}, headers=bearer(ours))
        url = made.json()["asset"]["url"]
        own = await client.get(url, headers=bearer(ours))
        foreign = await client.get(url, headers=bearer(theirs))
        missing = await client.get("/assets/" + "0" * 64, headers=bearer(theirs))

    assert own.text == "ours"
    assert own.headers["cache-control"].startswith("private")
    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["type"] == missing.json()["type"]
