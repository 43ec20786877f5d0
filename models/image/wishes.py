"""Which optional model an image request needs, told without any of them."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from models.core.offer import Wish

MARIGOLD: Final = "marigold"


def picture_wish(arguments: Mapping[str, JsonValue]) -> Wish | None:
    """Of an `ImageRequest`; the scene is always there."""
    backend, model = arguments.get("backend", "scene"), arguments.get("model")
    kind = "" if backend == "auto" else str(backend)
    if kind == "scene" or not (kind or model):
        return None
    return Wish(kind, str(model or ""))


def lesson_wish(arguments: Mapping[str, JsonValue]) -> Wish:
    """Of a `FineTuneRequest`."""
    return Wish("diffusers", str(arguments.get("model") or ""))


def geometry_wish(arguments: Mapping[str, JsonValue]) -> Wish:
    """Of a `GeometryRequest`; normals can follow from the depth, the depth from nothing else."""
    outputs = arguments.get("outputs")
    needs_depth = not isinstance(outputs, list | tuple) or bool({"depth", "relief"} & set(outputs))
    return Wish(MARIGOLD, f"{MARIGOLD}-depth" if needs_depth else "")
