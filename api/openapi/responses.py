"""What an operation may answer: bodies, headers, and the refusals that many share. Pure."""

from http import HTTPStatus
from typing import Any

from api.openapi.words import Schema, ref, text
from api.strict_json import MAX_BYTES

JSON, PROBLEM = "application/json", "application/problem+json"


def _header(schema: Schema, description: str, required: bool = True) -> Schema:
    return {"schema": schema, "description": description, "required": required}


_SECONDS: Schema = {"type": "integer", "minimum": 1}
RETRY_AFTER = {"Retry-After": _header(_SECONDS, "Ask again after so many seconds.")}
STARTED = {
    "Location": _header(text(format="uri-reference"), "Where its state is told."),
    "Retry-After": RETRY_AFTER["Retry-After"],
    "Idempotent-Replayed": _header(text(enum=["true"]), "An earlier job answers.", required=False),
}
CREATED = {name: STARTED[name] for name in ("Location", "Idempotent-Replayed")}
POLLED = {
    "X-Export-Status": _header(
        text(enum=["202", "200", "500", "410"]), "202 while it goes on, 200 done, 500 failed, 410 gone."
    ),
    "X-Progress": _header(text(), "In words, such as `4,200 of 10,000 rows`."),
    "Retry-After": _header(_SECONDS, "While it goes on: ask again after so many seconds.", required=False),
    "Warning": _header(text(), "110: as last known; the job server does not answer.", required=False),
}
ETAG = {"ETag": _header(text(), "For `If-None-Match`.")}
LOCATION = {"Location": STARTED["Location"]}
_ATTACHMENT = {"Content-Disposition": _header(text(), "With the file's name.")}


def answer(
    description: str, schema: str | None = None, example: Any = None, headers: Schema | None = None
) -> Schema:
    found: Schema = {"description": description}
    if headers:
        found["headers"] = headers
    if schema is not None:
        content: Schema = {"schema": ref(schema)}
        found["content"] = {JSON: content if example is None else {**content, "example": example}}
    return found


def _problem(status: HTTPStatus, description: str, **more: Any) -> Schema:
    example = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": more.pop("detail"),
        "errors": more.pop("errors", []),
        "data": None,
    }
    content = {PROBLEM: {"schema": ref("Problem"), "example": example}}
    return {"description": description, "content": content, **more}


_FIELD = {"pointer": "/from", "code": "invalid", "detail": "2024-13-1 is not a day of the calendar."}
_CHALLENGE = {"WWW-Authenticate": _header(text(), "RFC 6750.")}
_PROBLEMS: dict[HTTPStatus, Schema] = {
    HTTPStatus.BAD_REQUEST: _problem(
        HTTPStatus.BAD_REQUEST,
        "It cannot be read: no JSON, or a key or parameter given twice.",
        detail="The body is not JSON: Expecting value at character 0.",
        errors=[
            {
                "pointer": "",
                "code": "json",
                "detail": "The body is not JSON: Expecting value at character 0.",
            }
        ],
    ),
    HTTPStatus.UNAUTHORIZED: _problem(
        HTTPStatus.UNAUTHORIZED,
        "No key, or one that is not valid.",
        detail="This key or token is not valid.",
        headers=_CHALLENGE,
    ),
    HTTPStatus.NOT_FOUND: _problem(
        HTTPStatus.NOT_FOUND,
        "There is none with this id; another caller's are as unknown.",
        detail="There is no export with this id.",
    ),
    HTTPStatus.CONFLICT: _problem(
        HTTPStatus.CONFLICT, "Not as it stands now.", detail="The export has already ended."
    ),
    HTTPStatus.GONE: _problem(
        HTTPStatus.GONE,
        "The file was kept for its time.",
        detail="The file has been removed after its retention.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The body is too large.",
        detail=f"The body is larger than {MAX_BYTES // 1024} KiB.",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: _problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is not said to be JSON.",
        detail="Send the request as application/json.",
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: _problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Wrong values: each is named.",
        detail=f"/from: {_FIELD['detail']}",
        errors=[_FIELD],
    ),
    HTTPStatus.TOO_MANY_REQUESTS: _problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "The caller's limit is reached; nothing was started.",
        detail="These are too many starts at once.",
        headers=RETRY_AFTER,
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: _problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "A part that the answer needs cannot be reached; nothing was accepted.",
        detail="The job server cannot be reached at the moment. Please try again in a few seconds.",
        headers=RETRY_AFTER,
    ),
}


def problem_components() -> dict[str, Schema]:
    return {_name(status): problem for status, problem in _PROBLEMS.items()}


def problems(*statuses: int) -> dict[str, Schema]:
    """Those that an operation may answer with, beside the ones that all may."""
    every = (HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE)
    return {
        str(int(status)): {"$ref": f"#/components/responses/{_name(HTTPStatus(status))}"}
        for status in sorted({*every, *statuses})
    }


def _name(status: HTTPStatus) -> str:
    return "".join(word.capitalize() for word in status.phrase.replace("-", " ").split())


def as_file(description: str, schema: str, example: Any) -> Schema:
    return answer(description, schema, example, _ATTACHMENT)
