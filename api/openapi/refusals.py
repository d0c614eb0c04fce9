"""Refusals, which many operations share: RFC 9457. Pure."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from api.openapi.responses import RETRY_AFTER, header_of
from api.openapi.words import Schema, ref, text
from api.web.strict_json import MAX_BYTES

PROBLEM = "application/problem+json"
# What every operation that asks for a key may answer.
EVERY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE)

_CHALLENGE = {"WWW-Authenticate": header_of(text(), "RFC 6750.")}
_HEADERS: Mapping[HTTPStatus, Schema] = {
    HTTPStatus.UNAUTHORIZED: _CHALLENGE,
    HTTPStatus.TOO_MANY_REQUESTS: RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: RETRY_AFTER,
}
_NOT_JSON = "The body is not JSON: Expecting value at character 0."
_NO_DAY = "2024-13-1 is not a day of the calendar."
_ERRORS: Mapping[HTTPStatus, dict[str, str]] = {
    HTTPStatus.BAD_REQUEST: {"pointer": "", "code": "json", "detail": _NOT_JSON},
    HTTPStatus.UNPROCESSABLE_ENTITY: {"pointer": "/from", "code": "invalid", "detail": _NO_DAY},
}
# What each means, and the words of one.
_MEANINGS: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: ("It cannot be read: no JSON, or a key or parameter given twice.", _NOT_JSON),
    HTTPStatus.UNAUTHORIZED: ("No key, or one that is not valid.", "This key or token is not valid."),
    HTTPStatus.NOT_FOUND: (
        "There is none with this id; another caller's are as unknown.",
        "There is no export with this id.",
    ),
    HTTPStatus.CONFLICT: ("Not as it stands now.", "The export has already ended."),
    HTTPStatus.GONE: (
        "The file was kept for its time.",
        "The file has been removed after its retention.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "The body is too large.",
        f"The body is larger than {MAX_BYTES // 1024} KiB.",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        "The body is not said to be JSON.",
        "Send the request as application/json.",
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("Wrong values: each is named.", f"/from: {_NO_DAY}"),
    HTTPStatus.TOO_MANY_REQUESTS: (
        "The caller's limit is reached; nothing was started.",
        "These are too many starts at once.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "A part that the answer needs cannot be reached; nothing was accepted.",
        "The job server cannot be reached at the moment. Please try again in a few seconds.",
    ),
}


def components() -> dict[str, Schema]:
    return {_name(status): _response(status, *said) for status, said in _MEANINGS.items()}


def refusals(*statuses: int) -> dict[str, Schema]:
    """Those that an operation may answer with, beside the ones that all may."""
    return {
        str(int(status)): {"$ref": f"#/components/responses/{_name(HTTPStatus(status))}"}
        for status in sorted({*EVERY, *statuses})
    }


def _response(status: HTTPStatus, description: str, detail: str) -> Schema:
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "errors": [_ERRORS[status]] if status in _ERRORS else [],
        "data": None,
    }
    content = {PROBLEM: {"schema": ref("Problem"), "example": example}}
    headers = {"headers": _HEADERS[status]} if status in _HEADERS else {}
    return {"description": description, "content": content, **headers}


def _name(status: HTTPStatus) -> str:
    return "".join(word.capitalize() for word in status.phrase.replace("-", " ").split())
