"""Endpoints that list the reports, read their rows and list the values of their scopes."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field, SkipValidation

from api.dependencies import CallerDep, ContextDep, ReportsDep, get_caller
from api.tables.answers import (
    CSV_CHOICES,
    FORMAT_CHOICES,
    Choice,
    ChoiceList,
    DisabledReport,
    ReportType,
    ReportTypes,
    TablePage,
    TablePageColumn,
    report_type_answer,
)
from api.tables.languages import LanguagesDep
from api.tables.table_query import TableParameters, TableQuery, at_parameters, parse_table_query
from api.web.problems import Refusal
from api.web.queries import DEFAULT_LIMIT, Limit, QueryModel, SearchText, each_parameter_once
from api.web.responses import refusals
from flows.errors import InvalidRequest
from flows.query.report import Report, Scope

router = APIRouter(tags=["reports"], dependencies=[Depends(get_caller)])

NO_REPORTS = "No report has been declared. Write one with `report-exports new TABLE`."
ReportName = Annotated[str, Path(description="Name of the report.", min_length=1)]


async def get_table_query(
    request: Request, described: Annotated[TableParameters, SkipValidation, Query()], reports: ReportsDep
) -> TableQuery:
    """Parse the raw query string.

    FastAPI's parser is not used, because the parameters depend on the report and filters may be repeated.
    """
    return parse_table_query(request.query_params.multi_items(), reports)


@router.get(
    "/reports",
    operation_id="readTable",
    summary="Read a page of the table",
    response_model=TablePage,
    response_description="One page.",
    responses=refusals(400, 422, 429),
)
async def read_table(
    query: Annotated[TableQuery, Depends(get_table_query)],
    caller: CallerDep,
    context: ContextDep,
    languages: LanguagesDep,
    response: Response,
) -> TablePage:
    """Return a page of the rows that an export with the same parameters would contain, in the same order."""
    async with context.readers.reading(caller.name, query.request.report.database):
        try:
            page = await context.source.page(
                query.request, query.page_size, query.page, query.cursor, query.cells
            )
        except InvalidRequest as error:
            raise at_parameters(error) from None
    sortable = query.request.report.sortable
    response.headers["Cache-Control"] = "no-store"
    return TablePage(
        items=page.rows,
        page=query.page if query.cursor is None else None,
        page_size=query.page_size,
        total=page.total,
        columns=[
            TablePageColumn.of_table(column, column.key in sortable, languages) for column in page.columns
        ],
        next_cursor=page.next_cursor,
    )


@router.get(
    "/report-types",
    operation_id="listReportTypes",
    summary="List the reports",
    response_model=ReportTypes,
    response_model_exclude_unset=True,
    response_description="The reports that the caller may use.",
    responses=refusals(),
)
async def list_report_types(
    reports: ReportsDep, caller: CallerDep, context: ContextDep, languages: LanguagesDep, response: Response
) -> ReportTypes:
    """List the reports that the caller may use.

    The `Accept-Language` header selects the language of titles and labels.
    """
    response.headers["Vary"] = "Accept-Language"
    broken = [] if caller.is_limited else context.reports.broken
    is_empty = not context.catalog.reports and not context.reports.broken
    note = {"note": NO_REPORTS} if is_empty else {}
    return ReportTypes(
        items=[report_type_answer(report, languages) for report in reports.values()],
        disabled=[DisabledReport.of(report) for report in broken],
        formats=FORMAT_CHOICES,
        csv=CSV_CHOICES,
        **note,
    )


@router.get(
    "/report-types/{name}",
    operation_id="getReportType",
    summary="Get a report's parameters, filters, columns and limits",
    response_model=ReportType,
    response_model_exclude_unset=True,
    response_description="The report.",
    responses=refusals(404),
)
async def read_report_type(
    name: ReportName, reports: ReportsDep, languages: LanguagesDep, response: Response
) -> ReportType:
    """Return a report.

    The `Accept-Language` header selects the language of its title and labels.
    """
    response.headers["Vary"] = "Accept-Language"
    if name not in reports:
        raise Refusal(HTTPStatus.NOT_FOUND, "No report has this name.")
    return report_type_answer(reports[name], languages)


class ChoicesQuery(QueryModel):
    search: SearchText = Field(
        "", description="Part of the title (case is ignored), or the whole value. Omit it to list all values."
    )
    limit: Limit = DEFAULT_LIMIT


@router.get(
    "/report-types/{name}/choices/{scope}",
    operation_id="listChoices",
    summary="List the values of a scope",
    response_model=ChoiceList,
    response_description="The values and their titles.",
    responses=refusals(400, 404, 422, 429),
    dependencies=[Depends(each_parameter_once)],
)
async def list_choices(
    name: ReportName,
    scope: Annotated[str, Path(description="Name of the scope, such as `surveyId`.", min_length=1)],
    query: Annotated[ChoicesQuery, Query()],
    reports: ReportsDep,
    caller: CallerDep,
    context: ContextDep,
    response: Response,
) -> ChoiceList:
    """List the values of a scope, such as all surveys. `more` is true if there are further matches."""
    report, searched = _listable(reports.get(name), scope)
    async with context.readers.reading(caller.name, report.database):
        pairs = await context.source.choices(report, searched, query.search, query.limit + 1)
    items = [Choice(value=value, title=title) for value, title in pairs[: query.limit]]
    response.headers["Cache-Control"] = "no-store"
    return ChoiceList(items=items, more=len(pairs) > query.limit)


def _listable(report: Report | None, name: str) -> tuple[Report, Scope]:
    """Return the report and its scope.

    Raises Refusal 404 if either does not exist or the scope has no titles to list.
    """
    scope = report.scope.get(name) if report is not None else None
    if report is None or scope is None or scope.title is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "The values of this scope cannot be listed.")
    return report, scope
