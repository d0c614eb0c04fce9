"""The frozen routes of the original article, the table, and what reports there are."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.context import caller_of, context_of
from api.exports.job import frozen_body, poll_headers
from api.openapi import operations
from api.routes import start_export
from api.tables import table_query
from api.web.ids import JOB_ID
from api.web.problems import Problem
from flows import logs
from flows.errors import FieldError, InvalidRequest, escape_pointer
from flows.formats.csv_options import CHOICES, PRESETS
from flows.query.report import Report

router = APIRouter()

ARTICLE, REPORTS = "the article's routes", "reports"


@router.post(
    "/reports/csv",
    operation_id="startCsv",
    summary="Start an export",
    tags=[ARTICLE],
    openapi_extra=operations.START_CSV,
)
async def start(request: Request) -> Response:
    """Answers at once with the job's id. Extra: `Prefer: respond-async` (202), `Idempotency-Key`."""
    started = await start_export.from_body(request, context_of(request), caller_of(request))
    accepted = "respond-async" in request.headers.get("prefer", "")
    status = HTTPStatus.ACCEPTED if accepted else HTTPStatus.OK
    return JSONResponse({"data": started.job.run.id}, status, started.headers)


@router.get(
    "/reports/csv",
    operation_id="pollCsv",
    summary="Poll an export",
    tags=[ARTICLE],
    openapi_extra=operations.POLL_CSV,
)
async def poll(request: Request) -> Response:
    """The job's status and progress; the link when it is done, the reason when it failed."""
    context = context_of(request)
    job_id = _job_id(request)
    caller = caller_of(request)
    known = await context.watcher.read(job_id, caller.name)
    if known is None or not caller.may_see(known.job.run.masked):
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "There is no job with this id.",
            [FieldError("/jobId", "unknown", "There is no job with this id.")],
            extra={"message": "Job Id not found!"},
        )
    job = known.job
    logs.bind(job=job.run.id)
    url = (await context.links.link_to(job)).url if job.status == "done" else None
    headers = poll_headers(job, datetime.now(UTC), known.stale)
    return JSONResponse(frozen_body(job, url), headers=headers)


@router.get(
    "/reports",
    operation_id="readTable",
    summary="A page of the table",
    tags=[REPORTS],
    openapi_extra=operations.TABLE,
)
async def table(request: Request) -> Response:
    """The rows, their order and their number are those of the export with the same parameters."""
    context = context_of(request)
    asked = table_query.parse_table_query(request.query_params.multi_items(), _reports(request))
    page = await context.source.page(asked.request, asked.page_size, asked.page, asked.cursor)
    sortable = asked.request.report.sortable
    body = {
        "items": page.rows,
        "page": asked.page if asked.cursor is None else None,
        "pageSize": asked.page_size,
        "total": page.total,
        "columns": [
            {"key": each.key, "label": each.label, "type": each.type, "sortable": each.key in sortable}
            for each in page.columns
        ],
        "nextCursor": page.next_cursor,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.get(
    "/report-types",
    operation_id="listReportTypes",
    summary="The reports there are",
    tags=[REPORTS],
    openapi_extra=operations.REPORT_TYPES,
)
async def report_types(request: Request) -> dict[str, Any]:
    csv = {"presets": list(PRESETS), "headers": list(CHOICES["header"])}
    return {"items": [_described(report) for report in _reports(request).values()], "csv": csv}


@router.get(
    "/report-types/{name}",
    operation_id="getReportType",
    summary="One report's parameters, filters, columns and limits",
    tags=[REPORTS],
    openapi_extra=operations.REPORT_TYPE,
)
async def report_type(name: str, request: Request) -> dict[str, Any]:
    report = _reports(request).get(name)
    if report is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such report.")
    return _described(report)


def _reports(request: Request) -> Mapping[str, Report]:
    return caller_of(request).permitted(context_of(request).reports)


def _job_id(request: Request) -> str:
    for name in request.query_params:
        if name != "jobId":
            raise InvalidRequest(
                [FieldError(f"/{escape_pointer(name)}", "unknown", "There is no such parameter.")]
            )
    given = request.query_params.getlist("jobId")
    if len(given) != 1 or not JOB_ID.fullmatch(given[0]):
        detail = "Give one job id, as it came from POST /reports/csv."
        raise InvalidRequest([FieldError("/jobId", "format" if given else "missing", detail)])
    return given[0].lower()


def _in_words(name: str) -> str:
    """`surveyId` → `Survey id`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").capitalize()


def _described(report: Report) -> dict[str, Any]:
    parameters = [
        {
            "name": name,
            "label": scope.label or _in_words(name),
            "type": "string",
            "pattern": scope.pattern,
            "required": True,
            "choices": f"/report-types/{report.name}/choices/{name}" if scope.title is not None else None,
        }
        for name, scope in report.scope.items()
    ]
    if report.period is not None:
        parameters += [
            {"name": name, "label": name.capitalize(), "type": "date", "required": True}
            for name in ("from", "to")
        ]
    filters = [
        {
            "name": name,
            "label": each.label or _in_words(name),
            "type": table_query.filter_type(each),
            "choices": list(each.known_choices) if each.known_choices is not None else None,
        }
        for name, each in report.filter_columns.items()
    ]
    columns = [
        {
            "key": each.key,
            "label": each.label,
            "type": each.type,
            "pii": each.pii,
            "masked": each.key in (report.masked or ()),
            "sortable": each.key in report.sortable,
        }
        for each in report.table_columns.values()
    ]
    return {
        "name": report.name,
        "title": report.title,
        "parameters": parameters,
        "filters": filters,
        "columns": columns,
        "defaultSort": report.sort or None,
        "questions": report.questions is not None,
        "limits": {
            "maxDays": report.max_days,
            "maxRows": report.max_rows,
            "maxPageSize": table_query.MAX_PAGE_SIZE,
        },
    }
