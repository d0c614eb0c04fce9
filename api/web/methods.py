"""Handle HEAD requests like GET requests, and list the supported methods in 405 responses.

See RFC 9110, sections 9.3.2 and 10.2.1.
"""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from api.web.problems import Refusal, as_response


class HeadAsGet:
    """ASGI middleware that passes on HEAD requests as GET requests. The server still omits the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get = {**scope, "method": "GET"}
        await self._app(as_get, receive, send)
        scope["route"] = as_get.get("route")  # the metrics middleware reads it


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]

    async def not_allowed(request: Request, error: Exception) -> JSONResponse:
        allowed = ", ".join(methods_at(request.scope, routes))
        detail = f"{request.method} is not supported here. Supported: {allowed}."
        return as_response(Refusal(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed}))

    app.add_middleware(HeadAsGet)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, not_allowed)


def methods_at(scope: Scope, routes: Sequence[APIRoute]) -> list[str]:
    here = [route for route in routes if route.matches(scope)[0] is not Match.NONE]
    # Static files and the API docs are not in `routes` and support only GET.
    methods = {method for route in here for method in route.methods or ()} or {"GET"}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))
