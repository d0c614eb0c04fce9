"""Route class that authenticates the caller before reading the body and parses JSON strictly."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.dependencies import authenticate
from api.web import strict_json
from api.web.problems import Refusal

JSON = "application/json"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """A route that decodes the request body itself.

    FastAPI would accept duplicate keys, NaN and bodies of any size.
    """

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        if self.body_field is None:
            return _checked(handle) if "POST" in (self.methods or ()) else handle

        async def handle_decoded(request: Request) -> Response:
            authenticate(request)  # before reading the body, which may be large or arrive slowly
            body = await read_body(request)
            return await handle(_DecodedRequest(request, body, strict_json.decode(body)))

        return handle_decoded


def _checked(handle: Handler) -> Handler:
    """Protect a POST route without a body against requests from other websites."""

    async def handle_checked(request: Request) -> Response:
        media_type = _media_type(request)
        if media_type != JSON and (media_type or _is_from_another_origin(request)):
            raise _wrong_media_type()
        return await handle(request)

    return handle_checked


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_from_another_origin(request: Request) -> bool:
    """Return whether the request comes from a web page on an origin that may not call the API.

    Browsers send the Origin header with every POST. A web page may call the API if it is on the API's own
    host or on an origin in REPORTS_CORS_ORIGINS.
    """
    origin = request.headers.get("origin")
    if origin is None or origin in request.app.state.settings.allowed_origins:
        return False
    return urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()


def _wrong_media_type() -> Refusal:
    # Browsers send JSON from other websites only if our CORS headers allow it, so unknown websites cannot
    # start exports.
    return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the request with Content-Type: application/json.")


class _DecodedRequest(Request):
    def __init__(self, request: Request, body: bytes, decoded: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._body, self._json = body, decoded  # Starlette's caches for body() and json()


async def read_body(request: Request) -> bytes:
    """Read a JSON body.

    Raises Refusal if the content type is not JSON or the body is larger than 64 KiB. The declared length is
    ignored.
    """
    if _media_type(request) != JSON:
        raise _wrong_media_type()
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > strict_json.MAX_BYTES:
            detail = f"The body is larger than {strict_json.MAX_BYTES // 1024} KiB."
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return body
