"""Pictures for clients of OpenAI's API: `/v1/images/generations`, `/v1/images/edits`, `/v1/models`."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from deployments.signs import Sign
from graphs.calls import Calls
from graphs.entry import Entry
from graphs.openai_errors import error_body
from graphs.openai_shapes import (
    OURS,
    Edit,
    Generation,
    OpenAIImage,
    OpenAIImages,
    OpenAIModel,
    OpenAIModels,
    Usage,
    absolute,
    said_quality,
)
from graphs.principals import Principal
from graphs.problems import BadRequest, UnknownModel, request_id_of
from graphs.routes.live import Telling, watched
from graphs.routes.server_sent import block
from models.core.artifacts import ArtifactStore
from models.core.errors import CapabilityError
from models.image.schema import ImageResult

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]
Kind = Literal["image_generation", "image_edit"]

EDITS: Final = "/v1/images/edits"
FORMS: Final = frozenset({EDITS})
"""Paths whose body is a form."""
MAX_FIELDS: Final = 32
MAX_FILES: Final = 2


def openai_image_routes(
    catalogue: Sequence[Entry], calls: Calls, store: ArtifactStore, admit: Admit
) -> APIRouter:
    """The routes, if the catalogue has pictures."""
    router = APIRouter(tags=["openai"])
    found = [entry for entry in catalogue if entry.result is ImageResult]
    if not found:
        return router
    entry = found[0]
    images = _Images(entry, calls, store)
    Caller = Annotated[Principal, Depends(admit(entry.served_by))]  # noqa: N806 - a type

    @router.post("/v1/images/generations", response_model=OpenAIImages)
    async def generations(
        request: Request, body: Generation, caller: Caller
    ) -> OpenAIImages | Response:
        """Pictures of a prompt, in the shape of OpenAI's Images API."""
        return await images.answer(request, body, caller, "image_generation")

    @router.post(
        EDITS,
        response_model=OpenAIImages,
        openapi_extra={"requestBody": {"content": {"multipart/form-data": {"schema": _FORM}}}},
    )
    async def edits(request: Request, caller: Caller) -> OpenAIImages | Response:
        """A picture drawn anew, in the shape of OpenAI's Images API."""
        return await images.answer(request, await _edit(request), caller, "image_edit")

    @router.get("/v1/models", dependencies=[Depends(admit(entry.served_by))])
    async def models() -> OpenAIModels:
        """The image models that can be used now."""
        return OpenAIModels(data=tuple(OpenAIModel(id=name) for name in await images.names()))

    @router.get("/v1/models/{model:path}", dependencies=[Depends(admit(entry.served_by))])
    async def model(model: str) -> OpenAIModel:
        """One of them."""
        await images.check(model)
        return OpenAIModel(id=model)

    return router


class _Images:
    """Answers in OpenAI's shape."""

    def __init__(self, entry: Entry, calls: Calls, store: ArtifactStore) -> None:
        self._entry, self._calls, self._store = entry, calls, store

    async def names(self) -> list[str]:
        """Names of the models that can be used."""
        cards = (await self._calls.report(self._entry.served_by)).cards
        return [card.name for card in cards if card.available]

    async def check(self, model: str) -> None:
        """Refuse a model that there is not."""
        if model not in await self.names():
            raise UnknownModel(f"the model {model[:100]!r} does not exist; see /v1/models")

    async def answer(
        self, request: Request, body: Generation, caller: Principal, kind: Kind
    ) -> OpenAIImages | Response:
        """Draw, and answer at the end or as it goes."""
        asked = body.asked()
        if body.model not in (None, OURS):
            await self.check(str(body.model))
        request_id = request_id_of(request)
        work = partial(self._calls.run, self._entry, asked, caller.owner, request_id)
        if body.stream:
            telling = _Telling(self, body, caller.owner, kind)
            return await watched(work, request_id, telling)
        result = await work()
        assert isinstance(result, ImageResult)  # noqa: S101 - the entry's own
        # The bytes are read from the store, which blocks.
        make = partial(self.reply, result, body, caller.owner, str(request.base_url))
        return await asyncio.to_thread(make)

    def reply(self, result: ImageResult, body: Generation, owner: str, base: str) -> OpenAIImages:
        """The whole reply."""
        form = body.response_format
        data = tuple(
            OpenAIImage(
                b64_json=None if form == "url" else self.base64(picture.asset.id, owner),
                url=None if form == "b64_json" else absolute(picture.asset, base),
            )
            for picture in result.images
        )
        return OpenAIImages(
            created=int(time.time()),
            data=data,
            output_format=body.format,
            size=body.size or "auto",
            quality=said_quality(body.quality),
            usage=_usage(result),
        )

    def base64(self, asset_id: str, owner: str) -> str:
        """The bytes of an asset."""
        return base64.b64encode(b"".join(self._store.read(asset_id, owner))).decode()


class _Telling(Telling):
    """Events in OpenAI's shape: partial pictures, then each finished one."""

    def __init__(self, images: _Images, body: Generation, owner: str, kind: Kind) -> None:
        self._images, self._body, self._owner, self._kind = images, body, owner, kind
        self._shown = 0

    def sign(self, sign: Sign) -> list[str]:
        """A partial picture, as long as more are wanted."""
        if sign.preview is None or self._shown >= (self._body.partial_images or 0):
            return []
        data = {
            "b64_json": base64.b64encode(sign.preview).decode(),
            "partial_image_index": self._shown,
            "output_format": sign.media_type.removeprefix("image/"),
        }
        self._shown += 1
        return [self._event("partial_image", data)]

    async def result(self, result: BaseModel) -> AsyncGenerator[str, None]:
        """The finished pictures."""
        assert isinstance(result, ImageResult)  # noqa: S101 - the entry's own
        usage = _usage(result).model_dump()
        for picture in result.images:
            content = await asyncio.to_thread(self._images.base64, picture.asset.id, self._owner)
            data = {"b64_json": content, "output_format": self._body.format, "usage": usage}
            yield self._event("completed", data)

    def problem(self, error: CapabilityError, _request_id: str) -> str:
        """What the official clients raise as an error."""
        return block("error", json.dumps({"type": "error", "error": error_body(error)}))

    def _event(self, name: str, data: dict[str, Any]) -> str:
        kind = f"{self._kind}.{name}"
        common = {
            "type": kind,
            "created_at": int(time.time()),
            "size": self._body.size or "auto",
            "quality": said_quality(self._body.quality),
            "background": "opaque",
        }
        return block(kind, json.dumps(common | data))


def _usage(result: ImageResult) -> Usage:
    cost = result.cost
    taken, given = (cost.input_tokens or 0, cost.output_tokens or 0) if cost else (0, 0)
    return Usage(input_tokens=taken, output_tokens=given, total_tokens=taken + given)


_FORM: Final = {
    "type": "object",
    "required": ["image", "prompt"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "mask": {"type": "string", "format": "binary"},
        **Generation.model_json_schema()["properties"],
    },
}


async def _edit(request: Request) -> Edit:
    """The fields and files of a form.

    Raises:
        BadRequest: It is no form.
        RequestValidationError: Its fields are not valid.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadRequest("send the picture and the fields as multipart/form-data")
    fields: dict[str, object] = {}
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
        for name, value in form.multi_items():
            plain = name.removesuffix("[]")
            if plain in fields:
                raise BadRequest(f"{plain} is given more than once; one picture can be edited")
            if isinstance(value, UploadFile):
                fields[plain] = base64.b64encode(await value.read()).decode()
            else:
                fields[plain] = value
    try:
        return Edit.model_validate(fields)
    except ValidationError as error:
        found = error.errors(include_context=False, include_input=False)
        located = [{**item, "loc": ("body", *item["loc"]), "input": None} for item in found]
        raise RequestValidationError(located) from error
