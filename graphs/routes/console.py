"""The console: a page that draws pictures, made of static files without a build step."""

from collections.abc import Callable
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

INDEX = "index.html"
FILES = {
    INDEX: "text/html; charset=utf-8",
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def console_routes() -> APIRouter:
    """`/` and its files. They hold no data, so they need no key: the page asks for one."""
    router = APIRouter(include_in_schema=False)
    folder = files("graphs") / "console"
    for name, media_type in FILES.items():
        path = "/" if name == INDEX else f"/console/{name}"
        content = (folder / name).read_bytes()
        router.get(path)(_page(content, media_type))
    return router


def _page(content: bytes, media_type: str) -> Callable[[], Response]:
    def page() -> Response:
        return Response(content, media_type=media_type, headers=HEADERS)

    return page
