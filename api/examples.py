"""Examples for the API docs; the article's own request comes first."""

from typing import Any

from flows.dialect import CHOICES, EXCEL_ROWS, PRESETS

ARTICLE_REQUEST = {
    "surveyId": "668b6fa3b8d693cd865b44bb",
    "from": "2024-7-19",
    "to": "2024-7-26",
    "filters": {"isAttended": True, "utm": "wa"},
}
_JOB_ID = "899e1228-d7b8-40fc-8490-70e6f1efb338"
_ORDERS = {
    "report": "orders",
    "from": "2024-07-01",
    "to": "2024-07-31",
    "filters": {"status": ["paid", "shipped"]},
}


def parameter(name: str, description: str, example: Any = None, required: bool = False) -> dict[str, Any]:
    found = {"name": name, "in": "query", "required": required, "schema": {"type": "string"}}
    found["description"] = description
    if example is not None:
        found["example"] = example
    return found


def answer(description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


_CSV: dict[str, Any] = {
    "description": "A preset's name, or an object of options, set over those of its preset.",
    "default": "plain",
    "oneOf": [
        {"type": "string", "enum": [*PRESETS]},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "preset": {"enum": [*PRESETS], "default": "plain"},
                **{name: {"enum": [*choices]} for name, choices in CHOICES.items()},
                "splitRows": {"type": ["integer", "null"], "minimum": 1, "maximum": EXCEL_ROWS},
            },
        },
    ],
}

START: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "report": {"type": "string", "default": "survey-responses"},
                        "surveyId": {
                            "type": "string",
                            "description": "Whatever ids the report is scoped by.",
                        },
                        "from": {"type": "string", "description": "A date, or a date-time with an offset."},
                        "to": {"type": "string", "description": "A date is included whole."},
                        "filters": {
                            "type": "object",
                            "description": "A value means equals, a list any of, null is null.",
                        },
                        "columns": {"type": "array", "items": {"type": "string"}},
                        "sort": {"type": "string", "description": "A column's key; `-` before it descends."},
                        "timeZone": {"type": "string", "default": "UTC"},
                        "csv": _CSV,
                        "name": {"type": "string"},
                    },
                },
                "examples": {
                    "survey": {"summary": "A week of one survey", "value": ARTICLE_REQUEST},
                    "orders": {"summary": "Orders of a month", "value": _ORDERS},
                },
            }
        },
    },
    "responses": {
        "200": answer("The job's id.", {"data": _JOB_ID}),
        "429": answer(
            "One more than `GET /limits` allows; `Retry-After` says when to try again.",
            {"status": 429, "detail": "These are too many starts at once.", "data": None},
        ),
    },
}

POLL: dict[str, Any] = {
    "parameters": [parameter("jobId", "The job's id.", required=True)],
    "responses": {
        "200": answer(
            "How the export is going.", {"data": {"status": "in-progress", "progress": 50}, "status": 200}
        ),
        "404": answer("No such job.", {"message": "Job Id not found!", "status": 404}),
    },
}

LIST: dict[str, Any] = {
    "parameters": [
        parameter("status", "queued, running, finalizing, done, expired, error or cancelled."),
        parameter("report", "The report's name."),
        parameter("scheduleId", "Those of one recurring export."),
        parameter("limit", "1 to 100; 20 when not given."),
        parameter("cursor", "The `nextCursor` of the page before."),
    ]
}

LIMITS: dict[str, Any] = {
    "responses": {
        "200": answer(
            "`left` of each quota; for `rows`, `maxDays` and `maxRows` null is any number.",
            {
                "running": {"limit": 5, "used": 1, "left": 4},
                "queued": {"limit": 50, "used": 0, "left": 50},
                "starts": {"perSecond": 1.0, "burst": 10, "left": 9},
                "rows": None,
                "reports": {
                    "survey-responses": {"maxDays": 366, "maxRows": None},
                    "orders": {"maxDays": None, "maxRows": None},
                },
                "body": {"bytes": 65536, "depth": 16},
            },
        )
    }
}

TABLE: dict[str, Any] = {
    "parameters": [
        parameter("report", "The report's name; survey-responses when not given."),
        parameter("surveyId", "Whatever ids the report is scoped by.", ARTICLE_REQUEST["surveyId"]),
        parameter("from", "The first day.", "2024-7-19"),
        parameter("to", "The last day.", "2024-7-26"),
        parameter("filters", "All filters as JSON; each also stands alone: `utm=wa`.", '{"utm":"wa"}'),
        parameter("sort", "A column's key; `-` before it descends.", "-submittedAt"),
        parameter("columns", "Keys, separated by commas."),
        parameter("timeZone", "An IANA zone; UTC when not given."),
        parameter("page", "From 1."),
        parameter("pageSize", "1 to 200; 25 when not given."),
        parameter("cursor", "The `nextCursor` of the page before, instead of `page`."),
    ]
}
