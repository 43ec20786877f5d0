"""`orrery demo`: ask the running service for a few pictures and save them."""

import argparse
from pathlib import Path

import httpx

from graphs.commands.failure import Failure
from graphs.commands.terminal import Subcommands, say

PROMPTS = (
    "a chrome teapot next to two red apples on a wooden table",
    "a small red car in front of a white house at sunset",
    "three glass bottles, one green vase and a book in a studio",
    "a blue rocket behind two orange candles at night",
)
ANSWER_LIMIT_S = 300.0


def add_parser(subcommands: Subcommands) -> None:
    """Describe the subcommand."""
    parser = subcommands.add_parser("demo", help="draw a few pictures with the running service")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the pictures")
    parser.add_argument("--key", help="API key, where the service needs one")
    parser.add_argument("prompts", nargs="*", default=PROMPTS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Request, save, and say where."""
    headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    options.out.mkdir(parents=True, exist_ok=True)
    with httpx.Client(base_url=options.url, headers=headers, timeout=ANSWER_LIMIT_S) as client:
        for prompt in options.prompts:
            try:
                picture = _picture(client, prompt)
                path = options.out / picture["asset"]["filename"]
                path.write_bytes(_checked(client.get(picture["asset"]["url"])).content)
            except httpx.HTTPError as error:
                raise Failure(
                    f"{options.url} does not answer ({error}): run `make serve`"
                ) from error
            say(f"{path}  {prompt}")
    return 0


def _picture(client: httpx.Client, prompt: str) -> dict[str, dict[str, str]]:
    answer = _checked(client.post("/api/v1/generate/image", json={"prompt": prompt}))
    picture: dict[str, dict[str, str]] = answer.json()["images"][0]
    return picture


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.headers.get("x-request-id") is None:
        raise Failure(
            f"what answers at {answer.url.netloc.decode()} is not Orrery: choose another --url"
        )
    if answer.is_error:
        raise Failure(f"{answer.status_code}: {answer.json().get('detail', answer.text[:200])}")
    return answer
