"""Errors as application/problem+json (RFC 9457), with `data: null` for clients that read `data`."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.access.rate_limits import LimitReached
from flows.errors import ExportError, FieldError, Internal, InvalidRequest

RETRY_AFTER_SECONDS = 5

logger = logging.getLogger(__name__)


class Problem(Exception):
    """Any answer that is not a success."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors
        self.headers, self.extra = headers, extra


class Unavailable(Problem):
    """Something that the answer needs cannot be reached; nothing was accepted."""

    def __init__(self, what: str) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{what} cannot be reached at the moment. Please try again in a few seconds.",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )


def as_response(problem: Problem) -> JSONResponse:
    body = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": int(problem.status),
        "detail": problem.detail,
        "errors": [asdict(error) for error in problem.errors],
        "data": None,
        **(problem.extra or {}),
    }
    headers = {"Cache-Control": "no-store", **(problem.headers or {})}
    return JSONResponse(body, int(problem.status), headers, media_type="application/problem+json")


def invalid(error: InvalidRequest) -> Problem:
    malformed = any(each.code in ("json", "encoding", "depth", "duplicate") for each in error.errors)
    status = HTTPStatus.BAD_REQUEST if malformed else HTTPStatus.UNPROCESSABLE_ENTITY
    detail = " ".join(
        f"{each.pointer}: {each.detail}" if each.pointer else each.detail for each in error.errors
    )
    return Problem(status, detail, error.errors)


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(InvalidRequest, _invalid)
    app.add_exception_handler(LimitReached, _limit_reached)
    app.add_exception_handler(ExportError, _source_failed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type
    return as_response(error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InvalidRequest)  # noqa: S101 - registered for this type
    return as_response(invalid(error))


async def _limit_reached(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LimitReached)  # noqa: S101 - registered for this type
    reached = [FieldError("", error.code, error.detail)]
    headers = {"Retry-After": str(error.retry_seconds)}
    return as_response(Problem(HTTPStatus.TOO_MANY_REQUESTS, error.detail, reached, headers))


async def _source_failed(request: Request, error: Exception) -> JSONResponse:
    """The source database failed while the API itself was reading it, for the table or a check."""
    assert isinstance(error, ExportError)  # noqa: S101 - registered for this type
    if error.retryable:
        return as_response(Unavailable("The database that holds the report"))
    detail = "The report cannot be read at the moment." if isinstance(error, Internal) else str(error)
    return as_response(Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "60"}))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    return as_response(Problem(HTTPStatus(error.status_code), str(error.detail), headers=error.headers))


async def _gone(request: Request, error: Exception) -> JSONResponse:
    return as_response(Problem(HTTPStatus.BAD_REQUEST, "The request's body ended too early."))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("unexpected error at %s %s", request.method, request.url.path, exc_info=error)
    return as_response(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side."))
