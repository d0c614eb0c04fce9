"""Error responses and response headers for the OpenAPI document."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from api.web.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]

_TEXT = {"type": "string"}
_SECONDS = {"type": "integer", "minimum": 1}


def header(description: str, schema: Mapping[str, Any] = _TEXT, required: bool = True) -> dict[str, Any]:
    return {"schema": dict(schema), "description": description, "required": required}


_RETRY_AFTER = {"Retry-After": header("Seconds to wait before the next request.", _SECONDS)}
LOCATION = {"Location": header("URL of the resource.", {"type": "string", "format": "uri-reference"})}
REPLAYED = {
    "Idempotent-Replayed": header(
        "Present if the resource already existed.", {"enum": ["true"]}, required=False
    )
}
STARTED = LOCATION | _RETRY_AFTER | REPLAYED
POLLED = {
    "X-Export-Status": header(
        "202 while the export runs, 200 when it is done, 500 if it failed, 410 if it expired.",
        {"type": "string", "enum": ["202", "200", "500", "410"]},
    ),
    "X-Progress": header("Progress as text, such as `4,200 of 10,000 rows`."),
    "Retry-After": header(
        "Seconds to wait before the next poll, while the export runs.", _SECONDS, required=False
    ),
    "Warning": header(
        "Code 110 if this is the last known state because the job server does not respond.", required=False
    ),
}
ETAG = {"ETag": header("Version of the state, to send in `If-None-Match`.")}
ATTACHMENT = {"Content-Disposition": header("Contains the name of the file.")}
_CHALLENGE = {"WWW-Authenticate": header("Challenge as defined by RFC 6750.")}

# Error statuses for operations that read a body (BODY) or start an export (START).
BODY = (400, 413, 415, 422)
START = (*BODY, 429)
_REFUSALS: Mapping[int, tuple[str, dict[str, Any]]] = {
    400: ("The request is malformed: invalid JSON, or a repeated field or parameter.", {}),
    401: ("The API key or token is missing or not valid.", _CHALLENGE),
    403: ("This credential does not permit the operation.", {}),
    404: ("Not found, or it belongs to another caller.", {}),
    409: ("Not possible in the current state.", {}),
    410: ("The file has expired and was removed.", {}),
    413: ("The body is too large.", {}),
    415: ("The content type is not application/json.", {}),
    421: ("The API does not accept requests for this host name.", {}),
    422: ("The request contains invalid values, listed in `errors`.", {}),
    429: ("The caller has reached a limit. The request had no effect.", _RETRY_AFTER),
    503: ("The database, storage or job server cannot be reached. The request had no effect.", _RETRY_AFTER),
}


def refusals(*statuses: int) -> Responses:
    """Return the error responses for `statuses`, and for 401, 421 and 503, which most operations share."""
    return only_refusals(401, 421, 503, *statuses)


def only_refusals(*statuses: int) -> Responses:
    return {status: _refusal(status) for status in sorted(set(statuses))}


def with_headers(status: int, headers: Mapping[str, Any], **more: Any) -> Responses:
    return {status: {"headers": dict(headers), **more}}


def _refusal(status: int) -> dict[str, Any]:
    description, headers = _REFUSALS[HTTPStatus(status)]
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content, **({"headers": headers} if headers else {})}
