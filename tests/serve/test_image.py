"""A prompt becomes a picture, over real HTTP with the configuration as checked in."""

import hashlib
import io
import json
import os
import random
import signal
import socket
import threading
import time
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.serve.conftest import Service
from tests.serve.test_tasks import until

pytestmark = [pytest.mark.serve, pytest.mark.timeout(300)]
ROUTE = "/api/v1/generate/image"
SMALL = {"size": "96x64", "quality": "draft"}


def test_a_prompt_becomes_a_picture(orrery: Service) -> None:
    request = {"prompt": "a red sphere on a blue cube", "seed": 11, **SMALL}
    with orrery.client() as client:
        result = client.post(ROUTE, json=request).json()
        picture = result["images"][0]
        answer = client.get(picture["asset"]["url"])

    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (96, 64)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "public, max-age=2592000, immutable"
    assert hashlib.sha256(answer.content).hexdigest() == picture["asset"]["id"]
    assert picture["seed"] == 11
    assert {thing["shape"] for thing in picture["scene"]["objects"]} == {"sphere", "cube"}
    assert len(result["weights_sha256"]) == 64
    assert result["samples_per_pixel"] > 0
    assert result["renderer"]
    assert set(result["timings_s"]) >= {"compose", "trace"}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(orrery: Service) -> None:
    with orrery.client() as client:

        def asset(seed: int) -> str:
            body = {"prompt": "two green vases", "seed": seed, **SMALL}
            return str(client.post(ROUTE, json=body).json()["images"][0]["asset"]["id"])

        assert asset(3) == asset(3)
        assert asset(3) != asset(4)


def test_a_scene_can_be_edited_and_sent_back(orrery: Service) -> None:
    with orrery.client() as client:
        first = client.post(ROUTE, json={"prompt": "a red car", "seed": 1, **SMALL}).json()
        scene = first["images"][0]["scene"]
        again = client.post(ROUTE, json={"scene": scene, "seed": 1, **SMALL}).json()
        scene["objects"][0]["color"] = "#00ff00"
        edited = client.post(ROUTE, json={"scene": scene, "seed": 1, **SMALL}).json()
        # The files differ: each says which prompt it came from.
        pixels = [
            Image.open(io.BytesIO(client.get(made["images"][0]["asset"]["url"]).content)).tobytes()
            for made in (first, again, edited)
        ]

    assert pixels[0] == pixels[1]
    assert pixels[0] != pixels[2]
    assert edited["images"][0]["scene"]["objects"][0]["color"] == "#00ff00"


@pytest.mark.parametrize("media", ["png", "jpeg", "ultrahdr", "avif", "exr"])
def test_every_format_is_served_with_its_type(orrery: Service, media: str) -> None:
    body = {"prompt": "a gold star", "seed": 2, "format": media, **SMALL}
    with orrery.client() as client:
        asset = client.post(ROUTE, json=body).json()["images"][0]["asset"]
        answer = client.get(asset["url"])

    kind = {"ultrahdr": "jpeg", "exr": "x-exr"}.get(media, media)
    assert answer.headers["content-type"] == asset["media_type"] == f"image/{kind}"
    assert asset["filename"].endswith({"jpeg": "jpg", "ultrahdr": "jpg"}.get(media, media))
    assert len(answer.content) == asset["size_bytes"]


def test_n_pictures_have_seeds_in_a_row(orrery: Service) -> None:
    body = {"prompt": "a teapot", "seed": 5, "n": 3, **SMALL}
    with orrery.client() as client:
        images = client.post(ROUTE, json=body).json()["images"]

    assert [image["seed"] for image in images] == [5, 6, 7]
    assert len({image["asset"]["id"] for image in images}) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"prompt": "x" * 1001}, "1000 characters"),
        ({"prompt": "a cube", "n": 5}, "less than or equal to 4"),
        ({"prompt": "a cube", "size": "4096x64"}, "64 to 2048 pixels"),
        ({"prompt": "a cube", "size": "big"}, "pattern"),
        ({"prompt": "a cube", "format": "gif"}, "'png'"),
        ({"prompt": "a cube", "style": "cubist"}, "photo"),
        ({"prompt": "a cube", "model": "dall-e-9"}, "scene"),
        ({"prompt": " "}, "prompt"),
        ({"scene": {"objects": []}}, "at least 1 item"),
        ({"prompt": "a cube", "seed": -1}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_limit(
    orrery: Service, body: dict[str, object], said: str
) -> None:
    with orrery.client() as client:
        started = time.monotonic()
        answer = client.post(ROUTE, json=body)

    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert time.monotonic() - started < 1


def test_models_and_styles_are_listed(orrery: Service) -> None:
    with orrery.client() as client:
        models = client.get("/api/v1/image/models").json()["models"]
        styles = client.get("/api/v1/image/styles").json()["styles"]
        status = client.get("/status").json()["deployments"]["image"]

    assert models[0]["name"] == "scene"
    assert models[0]["available"] is True
    assert "photo" in {style["name"] for style in styles}
    assert status["models"][0]["weights_sha256"] == models[0]["weights_sha256"]
    assert status["uptime_s"] > 0


def drawing(client: httpx.Client) -> int:
    """Pictures that are being drawn."""
    return int(client.get("/status").json()["deployments"]["image"]["running"])


def test_a_client_that_leaves_frees_the_renderer_within_a_second(orrery: Service) -> None:
    body = json.dumps({"prompt": "four glass vases", "size": "1024x1024", "quality": "high"})
    head = (
        f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with orrery.client() as client:
        with socket.create_connection(("127.0.0.1", orrery.port)) as connection:
            connection.sendall((head + body).encode())
            until(lambda: drawing(client) == 1)
            time.sleep(1)  # well within the picture, which takes longer by far
            assert drawing(client) == 1
        left = time.monotonic()
        small = client.post(ROUTE, json={"prompt": "a cube", "seed": 1, **SMALL})
        elapsed_s = time.monotonic() - left

    assert small.status_code == 200
    # The worker is one thread: the small picture cannot begin before the large one has stopped.
    compose_and_render_s = sum(small.json()["timings_s"].values())
    assert elapsed_s - compose_and_render_s < 1.0


def test_a_replica_killed_while_it_draws_is_not_noticed(orrery: Service) -> None:
    body = {"prompt": "three blue bottles", "seed": 8, "size": "384x384"}
    answers: list[httpx.Response] = []

    def draw() -> None:
        with orrery.client() as client:
            answers.append(client.post(ROUTE, json=body))

    caller = threading.Thread(target=draw)
    caller.start()
    with orrery.client() as client:
        until(lambda: drawing(client) > 0 or bool(answers))
    for replica in orrery.replicas("image"):
        os.kill(replica.pid, signal.SIGKILL)
    caller.join()

    assert answers[0].status_code == 200
    assert answers[0].json()["images"][0]["seed"] == 8


def uploaded(client: httpx.Client, seed: int) -> dict[str, str]:
    """A photo of noise, which is longer than a JSON body may be."""
    buffer = io.BytesIO()
    noise = random.Random(seed).randbytes(700 * 700 * 3)  # noqa: S311  # pixels
    Image.frombytes("RGB", (700, 700), noise).save(buffer, "PNG")
    assert len(buffer.getvalue()) > 2**20
    headers = {"Content-Type": "image/png"}
    answer = client.post("/assets", content=buffer.getvalue(), headers=headers)
    assert answer.status_code == 201, answer.text
    return {"asset_id": answer.json()["id"]}


def followed(client: httpx.Client, url: str, wanted: float, limit_s: float = 120) -> dict[str, Any]:
    """The task once it has come so far, or has ended."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        task: dict[str, Any] = client.get(url).json()
        if task["state"] in ("completed", "failed") or task["tasks"][0]["progress"] >= wanted:
            return task
        time.sleep(0.2)
    raise AssertionError(task)


def test_a_fine_tune_outlives_its_replica_and_serves_the_next_request(orrery: Service) -> None:
    with orrery.client() as client:
        photos = [uploaded(client, seed) for seed in range(4)]
        course = {"model": "tiny", "photos": photos, "instance": "sks", "name": "mine",
                  "steps": 300, "rank": 4, "size_px": 64}  # fmt: skip
        accepted = client.post("/api/v1/image/fine-tunes", json=course)
        url = accepted.headers["location"]
        followed(client, url, 0.3)
        for replica in orrery.replicas("image"):
            os.kill(replica.pid, signal.SIGKILL)
        task = followed(client, url, 2)
        assert task["state"] == "completed", task
        taught = task["outputs"]["result"]
        listed = client.get("/api/v1/image/adapters").json()["adapters"]
        drawing = {"prompt": "sks", "backend": "diffusers", "model": "tiny", "steps": 2, "seed": 1,
                   "size": "64x64", "adapters": [{"name": "mine"}]}  # fmt: skip
        drawn = client.post(ROUTE, json=drawing)

    assert (accepted.status_code, task["state"]) == (202, "completed")
    assert taught["resumed_from"] >= 25
    assert [card["asset"]["id"] for card in listed] == [taught["adapter"]["id"]]
    assert drawn.status_code == 200


def test_pictures_are_drawn_while_a_model_learns(orrery: Service) -> None:
    with orrery.client() as client:
        course = {"model": "tiny", "photos": [uploaded(client, seed) for seed in range(4)],
                  "instance": "sks", "steps": 4000, "rank": 4, "size_px": 64}  # fmt: skip
        url = client.post("/api/v1/image/fine-tunes", json=course).headers["location"]
        followed(client, url, 0.1)
        diffused = {"prompt": "a cube", "backend": "diffusers", "model": "tiny", "steps": 2,
                    "size": "64x64"}  # fmt: skip
        answers = [
            client.post(ROUTE, json=body) for body in (diffused, {"prompt": "a cube", **SMALL})
        ]
        task = client.get(url).json()
        client.delete(url)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert task["state"] == "running"
