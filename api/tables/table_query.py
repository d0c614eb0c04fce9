"""Parse the query string of `GET /reports`. It contains an export request and the page to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from api.web import strict_json
from api.web.queries import NEXT_PAGE, QueryModel, WholeNumber, check_parameters
from api.web.validation import read_all, validated
from flows.errors import FieldError, InvalidRequest
from flows.formats.csv.options import PRESETS
from flows.formats.registry import FORMATS
from flows.query.filters.values import value_from_text
from flows.query.report import Filter, Report
from flows.query.request import ExportRequest, parse_request, requested_report
from flows.query.request_fields import Day, LabelLanguage, Name, TimeZone

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 25, 200
MAX_PAGE = 1_000_000
_FLAGS = {"true": True, "false": False}
_NO_EFFECT = "Accepted, but has no effect on the table."


def _without_page(cursor: str, info: ValidationInfo) -> str:
    if info.data.get("page") is not None:
        raise PydanticCustomError("conflict", "Send either `page` or `cursor`, not both.")
    return cursor


Cells = Literal["json", "text"]


class Paging(QueryModel):
    page: Annotated[int, WholeNumber(MAX_PAGE, 1)] | None = Field(None, description="Page number, from 1.")
    page_size: Annotated[int, WholeNumber(MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE)] = Field(
        DEFAULT_PAGE_SIZE, description="Rows per page."
    )
    cursor: Annotated[str, AfterValidator(_without_page)] | None = Field(
        None, description=f"{NEXT_PAGE} Replaces `page`."
    )
    cells: Cells = Field(
        "json",
        description="`json` returns native JSON values where possible;"
        " `text` returns each cell as it is written in the file.",
    )


class TableParameters(Paging):
    """Query parameters that all reports share.

    This model is used only to generate the OpenAPI document. `api.openapi` adds the parameters for scopes and
    filters.
    """

    report: str | None = Field(None, description="Name of the report. Defaults to the default report.")
    from_: Day | None = Field(None, alias="from", description="First day.", examples=["2024-7-19"])
    to: Day | None = Field(None, description="Last day.", examples=["2024-7-26"])
    filters: str | None = Field(None, description="Filters as a JSON object.", examples=['{"utm":"wa"}'])
    sort: str | None = Field(
        None,
        min_length=1,
        description="Comma-separated column keys. Prefix a key with `-` to sort descending.",
    )
    columns: str | None = Field(None, min_length=1, description="Comma-separated column keys.")
    time_zone: TimeZone | None = Field(
        None, description="IANA time zone that defines where days begin and end. Defaults to UTC."
    )
    format: str | None = Field(None, description=_NO_EFFECT, json_schema_extra={"enum": list(FORMATS)})
    csv: str | None = Field(None, description=_NO_EFFECT, json_schema_extra={"enum": list(PRESETS)})
    label_language: LabelLanguage | None = Field(None, description="Language of the labels, such as `de`.")
    name: Name | None = Field(None, description=_NO_EFFECT)


_PAGING = frozenset(field.alias for field in Paging.model_fields.values())


@dataclass(frozen=True)
class TableQuery:
    request: ExportRequest
    page: int
    page_size: int
    cursor: str | None
    cells: Cells = "json"


def parse_table_query(items: Sequence[tuple[str, str]], reports: Mapping[str, Report]) -> TableQuery:
    """Parse the query string.

    A filter is a parameter such as `score[gte]=5` or `utm=wa`. A parameter without an operator, or with
    `[not]`, may be repeated. Filters can also be sent as one JSON object, such as `filters={"utm":null}`.
    """
    report = requested_report(dict(items), reports)
    filters = report.filter_columns if report is not None else {}
    check_parameters(items, may_repeat=frozenset([*filters, *(f"{name}[not]" for name in filters)]))
    paging, request = read_all(
        lambda: validated(Paging, {name: text for name, text in items if name in _PAGING}),
        lambda: _request(items, filters, reports),
    )
    return TableQuery(request, paging.page or 1, paging.page_size, paging.cursor, paging.cells)


def _request(
    items: Sequence[tuple[str, str]], filters: Mapping[str, Filter], reports: Mapping[str, Report]
) -> ExportRequest:
    body: dict[str, Any] = {
        name: text
        for name, text in items
        if name not in _PAGING and name not in filters and _operator(name)[0] not in filters
    }
    values = _filter_values(items, filters, body.pop("filters", None))
    if values:
        body["filters"] = values
    if "columns" in body:
        body["columns"] = body["columns"].split(",")
    try:
        return parse_request(body, reports)
    except InvalidRequest as error:
        raise at_parameters(error) from None


def at_parameters(error: InvalidRequest) -> InvalidRequest:
    """Make the error's pointers refer to query parameters instead of body fields."""
    return InvalidRequest([_without_filters(item) for item in error.errors])


def _filter_values(
    items: Sequence[tuple[str, str]], filters: Mapping[str, Filter], as_json: str | None
) -> dict[str, Any]:
    values = _decoded(as_json) if as_json is not None else {}
    for name, filter_ in filters.items():
        texts = [value_from_text(text, filter_) for key, text in items if key == name]
        conditions = _conditions(items, name, filter_)
        if sum([bool(texts), bool(conditions), name in values]) > 1:
            raise InvalidRequest([FieldError(f"/{name}", "duplicate", "The filter is given twice.")])
        if texts or conditions:
            values[name] = conditions or _one_or_list(texts)
    return values


def _conditions(items: Sequence[tuple[str, str]], name: str, filter_: Filter) -> dict[str, Any]:
    """Return the values of parameters such as `score[gte]`, keyed by operator."""
    conditions: dict[str, list[Any]] = {}
    for key, text in items:
        filter_name, operator = _operator(key)
        if filter_name == name and operator is not None:
            value = _FLAGS.get(text, text) if operator == "null" else value_from_text(text, filter_)
            conditions.setdefault(operator, []).append(value)
    return {operator: _one_or_list(texts) for operator, texts in conditions.items()}


def _operator(parameter: str) -> tuple[str, str | None]:
    """Split a parameter such as `score[gte]` into the filter name and the operator.

    The operator is None for a parameter such as `score`.
    """
    name, bracket, operator = parameter.partition("[")
    return (name, operator.removesuffix("]")) if bracket and operator.endswith("]") else (parameter, None)


def _one_or_list(values: list[Any]) -> Any:
    return values if len(values) > 1 else values[0]


def _decoded(as_json: str) -> dict[str, Any]:
    try:
        values = strict_json.decode(as_json.encode(), "The parameter `filters`")
    except InvalidRequest as error:
        errors = [replace(item, pointer=f"/filters{item.pointer}") for item in error.errors]
        raise InvalidRequest(errors) from None
    if not isinstance(values, dict):
        raise InvalidRequest([FieldError("/filters", "type", "Must be a JSON object of filters.")])
    return values


def _without_filters(error: FieldError) -> FieldError:
    """Remove `/filters` from the pointer, because each filter is a separate query parameter."""
    pointer = error.pointer.removeprefix("/filters") if error.pointer != "/filters" else error.pointer
    return replace(error, pointer=pointer)
