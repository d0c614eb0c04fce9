"""The frozen routes of the original article: start an export, poll it."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.dependencies import CallerDep, ContextDep
from api.exports.article import Poll, Started
from api.exports.job import frozen_body, poll_headers
from api.routes.json_route import JsonRoute
from api.routes.start_export import ExportOrderDep, start
from api.web import responses
from api.web.ids import UUID_SCHEMA, is_id
from api.web.problems import Refusal
from api.web.queries import QueryModel
from api.web.responses import refusals, with_headers
from flows import logs
from flows.errors import FieldError

# Polls are most of the load: their route is matched first, and depends on the caller only once.
router = APIRouter(tags=["the article's routes"], route_class=JsonRoute)

Prefer = Annotated[
    str, Header(alias="Prefer", description="`respond-async`: 202 in place of 200, same body.")
]


def _read_job_id(values: list[str]) -> str:
    if len(values) != 1 or not is_id(values[0]):
        raise PydanticCustomError("format", "Give one job id, as POST /reports/csv returned it.")
    return values[0].lower()


class PollQuery(QueryModel):
    # A list, so that FastAPI passes every value and a repeated id can be refused.
    job_id: Annotated[list[str], PlainValidator(_read_job_id), WithJsonSchema(UUID_SCHEMA)] = Field(
        description="The id that the start returned."
    )


@router.get(
    "/reports/csv",
    operation_id="pollCsv",
    summary="Poll an export",
    response_model=Poll,
    response_description="The state of the export.",
    responses={**with_headers(200, responses.POLLED), **refusals(404, 422)},
)
async def poll_csv(query: Annotated[PollQuery, Query()], caller: CallerDep, context: ContextDep) -> Response:
    """Return status and progress; the link when the export is done, the reason when it failed."""
    job_id = str(query.job_id)
    cached = await context.watcher.read(job_id, caller.name)
    if cached is None or not caller.may_see(cached.job.run.masked):
        raise _unknown_job()
    job = cached.job
    logs.bind(job=job.run.id)
    url = (await context.links.link_to(job)).url if job.status == "done" else None
    return JSONResponse(frozen_body(job, url), headers=poll_headers(job, datetime.now(UTC), cached.stale))


def _unknown_job() -> Refusal:
    detail = "There is no job with this id."
    errors = [FieldError("/jobId", "unknown", detail)]
    return Refusal(HTTPStatus.NOT_FOUND, detail, errors, extra={"message": "Job Id not found!"})


@router.post(
    "/reports/csv",
    operation_id="startCsv",
    summary="Start an export",
    response_model=Started,
    response_description="The id of the job.",
    responses={
        **with_headers(200, responses.STARTED),
        **with_headers(202, responses.STARTED, model=Started, description="With `Prefer: respond-async`."),
        **refusals(*responses.START),
    },
)
async def start_csv(
    order: ExportOrderDep,
    caller: CallerDep,
    context: ContextDep,
    prefer: Prefer = "",
) -> Response:
    """Answer at once with the id of the job."""
    started = await start(order, context, caller)
    status = HTTPStatus.ACCEPTED if "respond-async" in prefer else HTTPStatus.OK
    headers = started.headers | {"Cache-Control": "no-store"}
    return JSONResponse({"data": started.job.run.id}, status, headers)
