"""Each operation: what it takes, and all that it may answer. A route names its own. Pure."""

from collections.abc import Mapping
from typing import Any

from api import examples, schedule_examples
from api.openapi import example_answers, parameters
from api.openapi.refusals import refusals
from api.openapi.responses import (
    CREATED,
    ETAG,
    JSON,
    LOCATION,
    POLLED,
    STARTED,
    answer,
    as_file,
)
from api.openapi.words import Schema, ref

BODY = (400, 413, 415, 422)  # what a body can be refused with
STARTS = (*BODY, 429)

EXPORT_REQUESTS = {
    "survey": {"summary": "A week of one survey", "value": examples.ARTICLE_REQUEST},
    "orders": {"summary": "Orders of a month", "value": examples.ORDERS},
}
_CHANGES = {"pause": {"enabled": False}, "at eight": {"recurrence": schedule_examples.AT_EIGHT}}


def _body(schema: str, shown: Mapping[str, Any]) -> Schema:
    return {"required": True, "content": {JSON: {"schema": ref(schema), "examples": dict(shown)}}}


def _values(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in found.items()}


def _open(operation: Schema) -> Schema:
    """For everybody, with authentication too."""
    return {**operation, "security": []}


_POLLED = answer("How the export is going.", "Poll", headers=POLLED)
_POLLED["content"][JSON]["examples"] = _values(example_answers.POLLS)
_ACCEPTED = answer("The new job.", "Export", example_answers.QUEUED, STARTED)
_REPLAYED = answer("The earlier job that answers, as it stands.", "Export", example_answers.RUNNING, STARTED)
_STATE = answer("Its state.", "Export", example_answers.DONE, POLLED | ETAG)
_LIST = answer("One page.", "ExportList", example_answers.LIST)
_SCHEDULE = answer("The recurring export.", "Schedule", schedule_examples.STATE)

START_CSV: Schema = {
    "parameters": [parameters.IDEMPOTENCY_KEY, parameters.RESPOND_ASYNC],
    "requestBody": _body("ExportRequest", EXPORT_REQUESTS),
    "responses": {
        "200": answer("The job's id.", "Started", example_answers.STARTED, STARTED),
        "202": answer("The same, with `Prefer: respond-async`.", "Started", example_answers.STARTED, STARTED),
        **refusals(*STARTS),
    },
}
POLL_CSV: Schema = {
    "parameters": [parameters.JOB_ID],
    "responses": {"200": _POLLED, **refusals(404, 422)},
}
TABLE: Schema = {
    "parameters": parameters.of_the_table,
    "responses": {"200": answer("One page.", "TablePage", example_answers.TABLE), **refusals(400, 422)},
}
REPORT_TYPES: Schema = {
    "responses": {"200": answer("All that the caller may use.", "ReportTypes"), **refusals()}
}
REPORT_TYPE: Schema = {
    "parameters": [parameters.REPORT_NAME],
    "responses": {"200": answer("The report.", "ReportType"), **refusals(404)},
}

LIST_CHOICES: Schema = {
    "parameters": [parameters.REPORT_NAME, parameters.SCOPE_NAME, parameters.SEARCH, parameters.LIMIT],
    "responses": {
        "200": answer("By title.", "ChoiceList", example_answers.CHOICES),
        **refusals(400, 404, 422),
    },
}

START_EXPORT: Schema = {
    "parameters": [parameters.DRY_RUN, parameters.IDEMPOTENCY_KEY],
    "requestBody": _body("ExportRequest", EXPORT_REQUESTS),
    "responses": {
        "202": _ACCEPTED,
        "200": {
            "description": "The earlier job that answers; with `dryRun`, what an export would hold.",
            "headers": {name: {**header, "required": False} for name, header in STARTED.items()},
            "content": {
                JSON: {
                    "schema": {"oneOf": [ref("Export"), ref("DryRun")]},
                    "examples": _values(
                        {"replayed": example_answers.RUNNING, "dry run": example_answers.DRY_RUN}
                    ),
                }
            },
        },
        **refusals(*STARTS),
    },
}
LIST_EXPORTS: Schema = {
    "parameters": parameters.of_the_list,
    "responses": {"200": _LIST, **refusals(400, 422)},
}
GET_EXPORT: Schema = {
    "parameters": [parameters.EXPORT_ID, parameters.WAIT, parameters.IF_NONE_MATCH],
    "responses": {
        "200": _STATE,
        "304": answer("Nothing is new.", headers=POLLED | ETAG),
        **refusals(404),
    },
}
CANCEL_EXPORT: Schema = {
    "parameters": [parameters.EXPORT_ID],
    "responses": {
        "202": answer("It is being stopped.", "Export", headers=LOCATION),
        **refusals(404, 409),
    },
}
RETRY_EXPORT: Schema = {
    "parameters": [parameters.EXPORT_ID],
    "responses": {"202": _ACCEPTED, "200": _REPLAYED, **refusals(404, 409, 422, 429)},
}
DELETE_EXPORT: Schema = {
    "parameters": [parameters.EXPORT_ID],
    "responses": {"204": answer("It is gone."), **refusals(404)},
}
DOWNLOAD_EXPORT: Schema = {
    "parameters": [parameters.EXPORT_ID],
    "responses": {
        "303": answer("To the file: a link that was signed now.", headers=LOCATION),
        **refusals(404, 409, 410),
    },
}
GET_MANIFEST: Schema = {
    "parameters": [parameters.EXPORT_ID],
    "responses": {
        "200": as_file("The receipt.", "Manifest", example_answers.MANIFEST),
        **refusals(404, 409, 410),
    },
}
GET_LIMITS: Schema = {
    "responses": {"200": answer("What is left of each.", "Limits", example_answers.LIMITS), **refusals()}
}

CREATE_SCHEDULE: Schema = {
    "parameters": [parameters.IDEMPOTENCY_KEY],
    "requestBody": _body("NewSchedule", _values(schedule_examples.EXAMPLES)),
    "responses": {
        "201": answer("It is made.", "Schedule", schedule_examples.STATE, CREATED),
        "200": answer("It was made earlier.", "Schedule", schedule_examples.STATE, CREATED),
        **refusals(*BODY),
    },
}
LIST_SCHEDULES: Schema = {
    "parameters": [parameters.LIMIT, parameters.NEXT],
    "responses": {
        "200": answer("One page.", "ScheduleList", {"items": [schedule_examples.STATE], "nextCursor": None}),
        **refusals(400, 422),
    },
}
PREVIEW_SCHEDULE: Schema = {
    "requestBody": _body("SchedulePreview", _values(schedule_examples.EXAMPLES)),
    "responses": {
        "200": answer("The next runs.", "PlannedRuns", {"runs": schedule_examples.RUNS}),
        **refusals(*BODY),
    },
}
GET_SCHEDULE: Schema = {
    "parameters": [parameters.SCHEDULE_ID],
    "responses": {"200": _SCHEDULE, **refusals(404)},
}
CHANGE_SCHEDULE: Schema = {
    "parameters": [parameters.SCHEDULE_ID],
    "requestBody": _body("ScheduleChange", _values(_CHANGES)),
    "responses": {"200": _SCHEDULE, **refusals(404, 409, *BODY)},
}
DELETE_SCHEDULE: Schema = {
    "parameters": [parameters.SCHEDULE_ID],
    "responses": {"204": answer("It is gone; its exports stay."), **refusals(404, 409)},
}
RUN_SCHEDULE: Schema = {
    "parameters": [parameters.SCHEDULE_ID, parameters.IDEMPOTENCY_KEY],
    "responses": {"202": _ACCEPTED, "200": _REPLAYED, **refusals(404, 422, 429)},
}
LIST_RUNS: Schema = {
    "parameters": [parameters.SCHEDULE_ID, parameters.LIMIT, parameters.NEXT],
    "responses": {"200": _LIST, **refusals(400, 404, 422)},
}
LIST_DELIVERIES: Schema = {
    "parameters": [parameters.SCHEDULE_ID, parameters.LIMIT, parameters.NEXT],
    "responses": {
        "200": answer(
            "One page.", "DeliveryList", {"items": [schedule_examples.DELIVERY], "nextCursor": None}
        ),
        **refusals(400, 404, 422),
    },
}
GET_WEBHOOK_SECRET: Schema = {
    "responses": {
        "200": answer("The key.", "WebhookSecret", {"secret": schedule_examples.WEBHOOK_SECRET}),
        **refusals(404),
    }
}

HEALTH: Schema = _open({"responses": {"200": answer("It does.", "Health", {"status": "ok"})}})
METRICS: Schema = _open(
    {
        "responses": {
            "200": {
                "description": "Prometheus' text.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        }
    }
)
READINESS: Schema = _open(
    {"responses": {"200": answer("They can.", "Readiness"), "503": answer("Not now.", "Readiness")}}
)
