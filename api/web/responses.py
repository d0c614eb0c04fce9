"""Responses in the OpenAPI document: refusals, and the headers of successes."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from api.web.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]

_TEXT = {"type": "string"}
_SECONDS = {"type": "integer", "minimum": 1}


def header(description: str, schema: Mapping[str, Any] = _TEXT, required: bool = True) -> dict[str, Any]:
    return {"schema": dict(schema), "description": description, "required": required}


_RETRY_AFTER = {"Retry-After": header("Seconds after which to ask again.", _SECONDS)}
LOCATION = {"Location": header("Where the export is.", {"type": "string", "format": "uri-reference"})}
REPLAYED = {"Idempotent-Replayed": header("An earlier one answers.", {"enum": ["true"]}, required=False)}
STARTED = LOCATION | _RETRY_AFTER | REPLAYED
POLLED = {
    "X-Export-Status": header(
        "202 while it runs, 200 done, 500 failed, 410 expired.",
        {"type": "string", "enum": ["202", "200", "500", "410"]},
    ),
    "X-Progress": header("For people, such as `4,200 of 10,000 rows`."),
    "Retry-After": header("While it runs: seconds after which to ask again.", _SECONDS, required=False),
    "Warning": header("110: the last known state; the job server does not answer.", required=False),
}
ETAG = {"ETag": header("For `If-None-Match`.")}
ATTACHMENT = {"Content-Disposition": header("With the name of the file.")}
_CHALLENGE = {"WWW-Authenticate": header("RFC 6750.")}

# The refusals of an operation that reads a body, and of one that starts an export.
BODY = (400, 413, 415, 422)
START = (*BODY, 429)
_REFUSALS: Mapping[int, tuple[str, dict[str, Any]]] = {
    400: ("Malformed: not JSON, or a field or parameter given twice.", {}),
    401: ("The API key or token is missing or not valid.", _CHALLENGE),
    404: ("Unknown, or another caller's.", {}),
    409: ("Not possible in its present state.", {}),
    410: ("The file has been removed after its retention.", {}),
    413: ("The body is too large.", {}),
    415: ("The body is not declared as application/json.", {}),
    422: ("Invalid values; `errors` names each.", {}),
    429: ("A limit of the caller is reached; nothing was started.", _RETRY_AFTER),
    503: ("A part that the answer needs cannot be reached; nothing was accepted.", _RETRY_AFTER),
}


def refusals(*statuses: int) -> Responses:
    """Return the refusals of an operation, and those that every operation of a caller may answer with."""
    return {status: _refusal(status) for status in sorted({401, 503, *statuses})}


def with_headers(status: int, headers: Mapping[str, Any], **more: Any) -> Responses:
    return {status: {"headers": dict(headers), **more}}


def _refusal(status: int) -> dict[str, Any]:
    description, headers = _REFUSALS[HTTPStatus(status)]
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content, **({"headers": headers} if headers else {})}
