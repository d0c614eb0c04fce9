"""Schemas of what is answered. Pure."""

from collections.abc import Iterable
from typing import get_args

from api.exports.job import MEANINGS, Status
from api.openapi.words import (
    BOOLEAN,
    COUNT,
    ID,
    MOMENT,
    NULL,
    Schema,
    array,
    choice,
    described,
    given,
    nullable,
    ref,
    taken,
    text,
)
from flows.errors import errors_by_code

# Those that a run's error has beside the ones it can fail with.
_OTHER_CODES = ("request.invalid", "rows.none", "cancelled", "expired")
_PERCENT: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
_URI = text(format="uri")
_CURSOR = nullable(text("Leads to the next page; null on the last one."))
_TYPES = ("string", "boolean", "integer", "number", "date", "date-time", "time", "uuid", "json")
_STATUS = text(" ".join(f"`{name}`: {said}" for name, said in MEANINGS.items()), enum=list(get_args(Status)))


def _links(names: Iterable[str]) -> Schema:
    links = {name: nullable(_URI) for name in names}
    return given({"self": _URI, **links}, description="Null where it would be refused now.")


_EXPORT: dict[str, Schema] = {
    "id": ID,
    "report": text(),
    "name": nullable(text()),
    "status": _STATUS,
    "phase": nullable(choice(("waiting", "counting", "exporting", "verifying", "cancelling"))),
    "progress": described(_PERCENT, "100 only when the file is whole, stored and verified."),
    "rows": given({"expected": nullable(COUNT), "written": COUNT}),
    "queue": given({"position": described(COUNT, "How many are taken before it.")}),
    "etaSeconds": nullable(COUNT),
    "heartbeatAt": nullable(MOMENT),
    "snapshotAt": nullable(MOMENT),
    "timeZone": text(),
    "request": {"type": "object", "description": "As it was asked for, with its days."},
    "attempt": COUNT,
    "file": {"anyOf": [ref("ExportFile"), NULL]},
    "error": {"anyOf": [ref("ExportError"), NULL]},
    "createdAt": MOMENT,
    "startedAt": nullable(MOMENT),
    "finishedAt": nullable(MOMENT),
    "scheduleId": nullable(text("The recurring export that it is a run of.")),
    "retryOf": nullable(ID),
    "links": _links(("cancel", "retry", "download", "manifest")),
}
_FILE: dict[str, Schema] = {
    "name": text(),
    "rows": COUNT,
    "bytes": COUNT,
    "sha256": text(pattern="^[0-9a-f]{64}$"),
    "url": described(_URI, "Signed: it needs no key, and is one."),
    "urlExpiresAt": MOMENT,
    "expiresAt": described(MOMENT, "Until when the file is kept."),
}
_COLUMN: dict[str, Schema] = {"key": text(), "label": text(), "type": ref("ColumnType")}
_ROWS = array({"type": "object"}, description="Values by the columns' keys.")
_FILTER: dict[str, Schema] = {
    "name": text(),
    "label": text(),
    "type": ref("ColumnType"),
    "choices": nullable(array({})),
}
_PARAMETER = {
    "type": "object",
    "properties": {
        "name": text(),
        "label": text(),
        "type": choice(("string", "date")),
        "pattern": text(),
        "required": BOOLEAN,
        "choices": nullable(text("Where its values are listed by their titles; null where they are not.")),
    },
    "required": ["name", "label", "type", "required"],
}
_REPORT_TYPE: dict[str, Schema] = {
    "name": text(),
    "title": text(),
    "parameters": array(_PARAMETER),
    "filters": array(given(_FILTER)),
    "columns": array(given(_COLUMN | dict.fromkeys(("pii", "masked", "sortable"), BOOLEAN))),
    "defaultSort": nullable(text()),
    "questions": described(BOOLEAN, "Whether there is a column for each question as well."),
    "limits": given({"maxDays": nullable(COUNT), "maxRows": nullable(COUNT), "maxPageSize": COUNT}),
}
_FIELD_ERROR: dict[str, Schema] = {
    "pointer": text("An RFC 6901 JSON pointer into the body; `/name` for a parameter of the query."),
    "code": text(),
    "detail": text(),
}
_PROBLEM: dict[str, Schema] = {
    "type": text(),
    "title": text(),
    "status": {"type": "integer", "minimum": 400, "maximum": 599},
    "detail": text("For people."),
    "errors": array(given(_FIELD_ERROR), description="Every mistake that was found."),
    "data": described(NULL, "For clients that read `data` first."),
}


def _polled(status: str, **more: Schema) -> Schema:
    data = {"status": {"type": "string", "const": status}, "progress": _PERCENT, **more}
    return taken(data, data)


SCHEMAS: dict[str, Schema] = {
    "ColumnType": choice(_TYPES),
    "Export": given(_EXPORT),
    "ExportFile": given(_FILE),
    "ExportError": given(
        {
            "code": choice([*errors_by_code(), *_OTHER_CODES]),
            "retryable": described(BOOLEAN, "Whether another try can help."),
            "message": text("For people."),
        }
    ),
    "ExportList": given({"items": array(ref("Export")), "nextCursor": _CURSOR}),
    "DryRun": given(
        {
            "rows": COUNT,
            "estimatedBytes": described(COUNT, "Uncompressed."),
            "fileName": text(),
            "columns": array(given(_COLUMN)),
            "sample": _ROWS,
        }
    ),
    "Manifest": given(
        {
            "id": ID,
            "request": {"type": "object"},
            "attempt": COUNT,
            "name": text(),
            "snapshotAt": MOMENT,
            "rows": COUNT,
            "bytes": COUNT,
            "sha256": _FILE["sha256"],
            "columns": nullable(array({"type": "object"}, description="Null where the run left none.")),
        }
    ),
    "Started": taken({"data": described(ID, "The job's id.")}, ["data"]),
    "Poll": taken(
        {
            "data": {"oneOf": [ref("PollInProgress"), ref("PollDone"), ref("PollError")]},
            "status": {"type": "integer", "const": 200},
        },
        ["data", "status"],
    ),
    "PollInProgress": _polled("in-progress"),
    "PollDone": _polled("done", url=_URI),
    "PollError": _polled("error", error=text("Why, for people.")),
    "TablePage": given(
        {
            "items": _ROWS,
            "page": nullable(described(COUNT, "Null after a cursor.")),
            "pageSize": COUNT,
            "total": COUNT,
            "columns": array(given(_COLUMN | {"sortable": BOOLEAN})),
            "nextCursor": _CURSOR,
        }
    ),
    "ReportType": given(_REPORT_TYPE),
    "ReportTypes": given(
        {
            "items": array(ref("ReportType")),
            "csv": given({"presets": array(text()), "headers": array(text())}),
        }
    ),
    "ChoiceList": given(
        {
            "items": array(given({"value": text(), "title": text()})),
            "more": described(BOOLEAN, "There are others: search for them."),
        }
    ),
    "Quota": given({"limit": COUNT, "used": COUNT, "left": COUNT}),
    "Limits": given(
        {
            "running": described(ref("Quota"), "Exports that run; the others wait for their turn."),
            "queued": described(ref("Quota"), "Exports that wait."),
            "starts": given({"perSecond": {"type": "number"}, "burst": COUNT, "left": COUNT}),
            "rows": nullable(described(COUNT, "The most rows of one export; null is any number.")),
            "reports": {
                "type": "object",
                "description": "By the report's name; null is any number.",
                "additionalProperties": given({"maxDays": nullable(COUNT), "maxRows": nullable(COUNT)}),
            },
            "body": given({"bytes": COUNT, "depth": COUNT}),
        }
    ),
    "Health": given({"status": text()}),
    "Readiness": given(
        {
            "status": choice(("ready", "not ready")),
            "checks": given(
                {part: choice(("ok", "failed")) for part in ("database", "prefect", "storage", "worker")}
            ),
        }
    ),
    "Problem": given(_PROBLEM, description="RFC 9457."),
}
