"""Success as operations answer it: bodies and headers. Pure."""

from typing import Any

from api.openapi.words import Schema, ref, text

JSON = "application/json"


def header_of(schema: Schema, description: str, required: bool = True) -> Schema:
    return {"schema": schema, "description": description, "required": required}


_SECONDS: Schema = {"type": "integer", "minimum": 1}
RETRY_AFTER = {"Retry-After": header_of(_SECONDS, "Ask again after so many seconds.")}
STARTED = {
    "Location": header_of(text(format="uri-reference"), "Where its state is told."),
    "Retry-After": RETRY_AFTER["Retry-After"],
    "Idempotent-Replayed": header_of(text(enum=["true"]), "An earlier job answers.", required=False),
}
CREATED = {name: STARTED[name] for name in ("Location", "Idempotent-Replayed")}
POLLED = {
    "X-Export-Status": header_of(
        text(enum=["202", "200", "500", "410"]), "202 while it goes on, 200 done, 500 failed, 410 gone."
    ),
    "X-Progress": header_of(text(), "In words, such as `4,200 of 10,000 rows`."),
    "Retry-After": header_of(_SECONDS, "While it goes on: ask again after so many seconds.", required=False),
    "Warning": header_of(text(), "110: as last known; the job server does not answer.", required=False),
}
ETAG = {"ETag": header_of(text(), "For `If-None-Match`.")}
LOCATION = {"Location": STARTED["Location"]}
_ATTACHMENT = {"Content-Disposition": header_of(text(), "With the file's name.")}


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


def as_file(description: str, schema: str, example: Any) -> Schema:
    return answer(description, schema, example, _ATTACHMENT)
