"""The frozen routes `POST /reports/csv` and `GET /reports/csv` from the original article."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.access import audit
from api.dependencies import CallerDep, ContextDep, find_export
from api.exports.article import Poll, Started
from api.exports.job import frozen_body, poll_headers
from api.routes.json_route import JsonRoute
from api.routes.start_export import ExportOrderDep, start
from api.web import responses
from api.web.ids import UUID_SCHEMA, is_id
from api.web.problems import Refusal
from api.web.queries import QueryModel
from api.web.responses import refusals, with_headers
from flows.errors import FieldError

# Most requests are polls, so this router is matched first and has no router-wide dependencies.
router = APIRouter(tags=["simple routes"], route_class=JsonRoute)

Prefer = Annotated[
    str, Header(alias="Prefer", description="`respond-async` changes the status from 200 to 202.")
]


def _read_job_id(values: list[str]) -> str:
    if len(values) != 1 or not is_id(values[0]):
        raise PydanticCustomError("format", "Send one job id, as returned by POST /reports/csv.")
    return values[0].lower()


class PollQuery(QueryModel):
    # Declared as a list, because FastAPI would otherwise silently drop all ids but the last.
    job_id: Annotated[list[str], PlainValidator(_read_job_id), WithJsonSchema(UUID_SCHEMA)] = Field(
        description="Id of the job, as returned by `POST /reports/csv`."
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
    """Return the status and progress of an export.

    Once the export has ended, the response also contains its download link or error.
    """
    export = await find_export(str(query.job_id), caller, context)
    if export is None:
        raise _unknown_job()
    job = await context.files.check(export.job)
    url = (await context.links.link_to(job)).url if job.status == "done" else None
    if url is not None:
        audit.note_link(job.run.id)
    return JSONResponse(frozen_body(job, url), headers=poll_headers(job, datetime.now(UTC), export.stale))


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
    """Start an export and return the id of its job immediately."""
    started = await start(order, context, caller)
    status = HTTPStatus.ACCEPTED if "respond-async" in prefer else HTTPStatus.OK
    headers = started.headers | {"Cache-Control": "no-store"}
    return JSONResponse({"data": started.job.run.id}, status, headers)
