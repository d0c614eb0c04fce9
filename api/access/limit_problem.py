"""Respond with 429 and `Retry-After` when a caller exceeds a limit."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from api.access.rate_limits import LimitReached
from api.web.problems import Refusal, as_response
from flows.errors import FieldError


def install(app: FastAPI) -> None:
    app.add_exception_handler(LimitReached, _limit_reached)


async def _limit_reached(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LimitReached)  # noqa: S101 - registered for this type
    errors = [FieldError("", error.code, error.detail)]
    headers = {"Retry-After": str(error.retry_seconds)}
    return as_response(Refusal(HTTPStatus.TOO_MANY_REQUESTS, error.detail, errors, headers))
