"""The route class of the API: a body is JSON of limited size, read strictly, and only from known callers."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.dependencies import authenticate
from api.web import strict_json
from api.web.problems import Refusal

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """Decodes the body in place of FastAPI, which would accept duplicate keys, NaN and any size."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_decoded(request: Request) -> Response:
            authenticate(request)  # before the body, which may be long in coming
            body = await read_body(request)
            return await handle(_DecodedRequest(request, body, strict_json.decode(body)))

        return handle_decoded


class _DecodedRequest(Request):
    def __init__(self, request: Request, body: bytes, decoded: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._body, self._json = body, decoded  # what body() and json() return


async def read_body(request: Request) -> bytes:
    """Read at most 64 KiB; the declared length does not count."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        # Pages of other sites cannot send this type, so they cannot start exports.
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the request as application/json.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > strict_json.MAX_BYTES:
            detail = f"The body is larger than {strict_json.MAX_BYTES // 1024} KiB."
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return body
