"""What a report's scope may be, by the names that people know."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.context import caller_of, context_of
from api.exports.list_query import DEFAULT_LIMIT, MAX_LIMIT
from api.openapi import operations
from api.tables.table_query import MAX_SEARCH_LENGTH, among, whole_number
from api.web import strict_json
from api.web.problems import Problem
from flows.errors import InvalidRequest
from flows.query.report import Scope

router = APIRouter(tags=["reports"])


@router.get(
    "/report-types/{name}/choices/{scope}",
    operation_id="listChoices",
    summary="The values of a scope",
    openapi_extra=operations.LIST_CHOICES,
)
async def choices(name: str, scope: str, request: Request) -> Response:
    """Such as all surveys; `more` says that there are others: search for them."""
    declared = _scope(name, scope, request)
    given = among(request.query_params.multi_items(), ("search", "limit"))
    limit = whole_number(given, "limit", DEFAULT_LIMIT, MAX_LIMIT)
    found = await context_of(request).source.choices(declared, _search(given), limit + 1)
    items = [{"value": value, "title": title} for value, title in found[:limit]]
    return JSONResponse({"items": items, "more": len(found) > limit}, headers={"Cache-Control": "no-store"})


def _scope(name: str, scope: str, request: Request) -> Scope:
    """Of a report that the caller may use; without titles it cannot be listed."""
    report = caller_of(request).permitted(context_of(request).reports).get(name)
    found = report.scope.get(scope) if report is not None else None
    if found is None or found.title is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such list.")
    return found


def _search(given: dict[str, str]) -> str:
    text = given.get("search", "").strip()
    strict_json.check_text(text, "/search")
    if len(text) > MAX_SEARCH_LENGTH:
        detail = f"It must be at most {MAX_SEARCH_LENGTH} characters."
        raise InvalidRequest.at("/search", "range", detail)
    return text
