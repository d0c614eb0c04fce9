"""Error responses as application/problem+json (RFC 9457).

They also contain `data: null`, because existing clients read `data` from every response.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from flows.errors import (
    ExportError,
    FieldError,
    Internal,
    InvalidRequest,
    ReportInvalid,
    SourceCancelled,
    SourceTimeout,
)
from flows.query.field_errors import Location, field_errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
# Error codes that mean a malformed request (400). All others mean an invalid value (422).
_MALFORMED = ("json", "encoding", "depth", "duplicate")
# Maps the first element of a FastAPI error location to the first part of our JSON pointer.
_PARTS = {"body": (), "query": (), "path": (), "header": ("headers",)}

logger = logging.getLogger(__name__)


class Refusal(Exception):
    """Raised by a route to send an error response."""

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


class Unavailable(Refusal):
    """Raised when a dependency, such as the database, cannot be reached. The request had no effect."""

    def __init__(self, part: str) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{part} cannot be reached at the moment. Try again in a few seconds.",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )


def as_response(refusal: Refusal) -> JSONResponse:
    body = {
        "type": "about:blank",
        "title": refusal.status.phrase,
        "status": int(refusal.status),
        "detail": refusal.detail,
        "errors": [asdict(error) for error in refusal.errors],
        "data": None,
        **(refusal.extra or {}),
    }
    headers = {"Cache-Control": "no-store", **(refusal.headers or {})}
    return JSONResponse(body, int(refusal.status), headers, media_type=MEDIA_TYPE)


def invalid(errors: Sequence[FieldError]) -> Refusal:
    malformed = any(error.code in _MALFORMED for error in errors)
    status = HTTPStatus.BAD_REQUEST if malformed else HTTPStatus.UNPROCESSABLE_ENTITY
    details = [f"{error.pointer}: {error.detail}" if error.pointer else error.detail for error in errors]
    return Refusal(status, " ".join(details), errors)


def install(app: FastAPI) -> None:
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(InvalidRequest, _invalid)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(ExportError, _source_failed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(Exception, _unexpected)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this type
    return as_response(error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InvalidRequest)  # noqa: S101 - registered for this type
    return as_response(invalid(error.errors))


async def _not_valid(request: Request, error: Exception) -> JSONResponse:
    """Report the errors that FastAPI found in parameters and headers."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    errors = [{**item, "loc": (*_PARTS[item["loc"][0]], *item["loc"][1:])} for item in error.errors()]
    return as_response(invalid(field_errors(errors, _unknown_parameter)))


def _unknown_parameter(location: Location) -> str:
    return "Unknown parameter."


async def _source_failed(request: Request, error: Exception) -> JSONResponse:
    """Build the error response for a failure of the source database.

    The status is 503 if the same request may succeed later, 409 if the report does not match the database,
    and 500 otherwise.
    """
    assert isinstance(error, ExportError)  # noqa: S101 - registered for this type
    if error.retryable:
        return as_response(Unavailable("The database that holds the report"))
    if isinstance(error, SourceTimeout | SourceCancelled):
        return as_response(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "60"}))
    if isinstance(error, ReportInvalid):
        errors = [FieldError("/report", error.code, str(error))]
        return as_response(Refusal(HTTPStatus.CONFLICT, str(error), errors))
    detail = "The report cannot be read." if isinstance(error, Internal) else str(error)
    return as_response(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, detail))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    return as_response(Refusal(HTTPStatus(error.status_code), str(error.detail), headers=error.headers))


async def _disconnected(request: Request, error: Exception) -> JSONResponse:
    return as_response(Refusal(HTTPStatus.BAD_REQUEST, "The request body ended too early."))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
    return as_response(
        Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred. Try again later.")
    )
