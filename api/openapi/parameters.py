"""Parameters of paths, queries and headers. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from api import examples
from api.exports.job import Status
from api.exports.list_query import DEFAULT_LIMIT, MAX_LIMIT
from api.openapi.requests import DAY_PATTERN, NO_NUL, value_of, zone
from api.openapi.words import BOOLEAN, DAY, SORT, Schema, array, choice, ref, text
from api.tables.table_query import DEFAULT_PAGE_SIZE, MAX_PAGE, MAX_PAGE_SIZE, MAX_SEARCH_LENGTH
from api.web import ids
from flows.query.report import DEFAULT_REPORT, Report
from flows.query.request_fields import MAX_NAME_LENGTH

CURSOR = "cursor"


def in_query(name: str, schema: Schema, description: str, required: bool = False, **more: Any) -> Schema:
    found = {"name": name, "in": "query", "required": required, "schema": schema}
    return {**found, "description": description, **more}


def in_header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def in_path(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


def _id() -> Schema:
    return text(format="uuid", pattern=f"^{ids.PATTERN}$")


def _whole(least: int, most: int, default: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


EXPORT_ID = in_path("job_id", _id(), "The export's id.")
SCHEDULE_ID = in_path("schedule_id", _id(), "The recurring export's id.")
REPORT_NAME = in_path("name", text(minLength=1), "The report's name.")
SCOPE_NAME = in_path("scope", text(minLength=1), "The scope's name, such as `surveyId`.")
SEARCH = in_query(
    "search",
    text(maxLength=MAX_SEARCH_LENGTH, pattern=NO_NUL),
    "A part of the title, in any case, or the whole value; all when not given.",
)
JOB_ID = in_query("jobId", _id(), "The id that the start answered with.", required=True)

IDEMPOTENCY_KEY = in_header(
    "Idempotency-Key",
    text(pattern=r"^[\x21-\x7e]{1,255}$"),
    "The same key with the same body is the same job for a day; with another body it is refused.",
)
RESPOND_ASYNC = in_header("Prefer", text(), "`respond-async`: 202 in place of 200, with the same body.")
WAIT = in_header("Prefer", text(), "`wait=20`: answer when the state has changed, at the latest after 20 s.")
IF_NONE_MATCH = in_header("If-None-Match", text(), "The `ETag` that is known: 304 while nothing is new.")
DRY_RUN = in_query("dryRun", {**BOOLEAN, "default": False}, "Count, estimate and sample; start nothing.")

LIMIT = in_query("limit", _whole(1, MAX_LIMIT, DEFAULT_LIMIT), "How many at most.")
NEXT = in_query(CURSOR, text(), "The `nextCursor` of the page before.")


def of_the_list(reports: Mapping[str, Report]) -> list[Schema]:
    return [
        in_query("status", choice(get_args(Status)), "Those that stand so."),
        in_query("report", choice(reports) if reports else text(), "Those of one report."),
        in_query("scheduleId", _id(), "Those of one recurring export."),
        LIMIT,
        NEXT,
    ]


def of_the_table(reports: Mapping[str, Report]) -> list[Schema]:
    """The request of the export in one flat line, and the page."""
    return [
        in_query("report", _report(reports), "Which report."),
        *_scopes(reports),
        in_query("from", _day(), "The first day.", example=examples.ARTICLE_REQUEST["from"]),
        in_query("to", _day(), "The last day.", example=examples.ARTICLE_REQUEST["to"]),
        *_filters(reports),
        in_query("filters", text(), "All filters together, as JSON.", example='{"utm":"wa"}'),
        in_query("sort", text(format=SORT, minLength=1), "Keys of columns; `-` before one descends."),
        in_query("columns", text(minLength=1), "Keys, separated by commas."),
        in_query("timeZone", zone(), "The zone of the days."),
        in_query("csv", ref("CsvPreset"), "Of no meaning for the table; it may be left in."),
        in_query("name", text(minLength=1, maxLength=MAX_NAME_LENGTH), "As `csv`."),
        in_query("page", _whole(1, MAX_PAGE, 1), "From 1."),
        in_query("pageSize", _whole(1, MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE), "How many rows."),
        in_query(CURSOR, text(), "The `nextCursor` of the page before, in place of `page`."),
    ]


def _report(reports: Mapping[str, Report]) -> Schema:
    schema = choice(reports) if reports else text()
    return {**schema, "default": DEFAULT_REPORT}


def _day() -> Schema:
    return text(format=DAY, pattern=DAY_PATTERN)


def _scopes(reports: Mapping[str, Report]) -> Iterable[Schema]:
    for name in _names(each.scope for each in reports.values()):
        owners = [each for each in reports.values() if name in each.scope]
        patterns = "|".join(dict.fromkeys(each.scope[name].pattern for each in owners))
        found = in_query(name, text(pattern=f"^({patterns})$"), f"Needed by {_titles(owners)}.")
        example = examples.ARTICLE_REQUEST.get(name)
        yield found if example is None else {**found, "example": example}


def _filters(reports: Mapping[str, Report]) -> Iterable[Schema]:
    """Repeated, any of the values."""
    for name in _names(each.filter_columns for each in reports.values()):
        owners = [each for each in reports.values() if name in each.filter_columns]
        kinds = [value_of(each.filter_columns[name]) for each in owners]
        schema = kinds[0] if all(kind == kinds[0] for kind in kinds) else text(pattern=NO_NUL)
        description = f"A filter of {_titles(owners)}; repeated, any of the values."
        yield in_query(name, array(schema, minItems=1), description, explode=True)


def _names(groups: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in group))


def _titles(owners: Iterable[Report]) -> str:
    return ", ".join(each.name for each in owners)
