"""Which methods an address takes, told over all of its routes (RFC 9110, sections 9.3.2 and 10.2.1)."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from api.web.problems import Problem, as_response


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    routes = [each for router in routers for each in router.routes if isinstance(each, APIRoute)]
    for route in routes:
        if route.methods is not None and "GET" in route.methods:
            route.methods.add("HEAD")  # the server leaves the body out

    async def not_allowed(request: Request, error: Exception) -> JSONResponse:
        allowed = ", ".join(methods_at(request.scope, routes))
        detail = f"There is no {request.method} here; there is {allowed}."
        return as_response(Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed}))

    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, not_allowed)


def methods_at(scope: Scope, routes: Sequence[APIRoute]) -> list[str]:
    here = [route for route in routes if route.matches(scope)[0] is not Match.NONE]
    found = sorted({method for route in here for method in route.methods or ()})
    return found or ["GET", "HEAD"]  # files, and the docs
