"""The table's query string: the request of the export, in one flat line, plus the page. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.web import strict_json
from flows.errors import FieldError, InvalidRequest, escape_pointer
from flows.query.filter_values import value_from_text
from flows.query.report import DEFAULT_REPORT, Filter, Report, type_name
from flows.query.request import ExportRequest, parse_request

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 25, 200
MAX_PAGE = 1_000_000
MAX_SEARCH_LENGTH = 200
_PAGING = ("page", "pageSize", "cursor")


@dataclass(frozen=True)
class TableQuery:
    request: ExportRequest
    page: int
    page_size: int
    cursor: str | None


def filter_type(filter_: Filter) -> str:
    return type_name(filter_.column.type)


def parse_table_query(items: Sequence[tuple[str, str]], reports: Mapping[str, Report]) -> TableQuery:
    """Filters stand as `utm=wa` (repeat for any of), or all together as JSON in `filters={"utm":null}`."""
    for name, text in items:
        strict_json.check_text(name + text, f"/{name}")
    report = reports.get(dict(items).get("report", DEFAULT_REPORT))
    filters = report.filter_columns if report is not None else {}
    body: dict[str, Any] = {name: text for name, text in items if name not in filters and name not in _PAGING}
    _refuse_repeated(items, filters)
    given = _filters(items, filters, body.pop("filters", None))
    if given:
        body["filters"] = given
    if "columns" in body:
        body["columns"] = body["columns"].split(",")
    try:
        request = parse_request(body, reports)
    except InvalidRequest as error:
        raise InvalidRequest([_without_filters(each) for each in error.errors]) from None
    return _with_page(request, dict(items))


def _refuse_repeated(items: Sequence[tuple[str, str]], filters: Mapping[str, Filter]) -> None:
    for name, times in Counter(name for name, _ in items).items():
        if times > 1 and name not in filters:
            raise InvalidRequest.at(f"/{name}", "duplicate", "The parameter is given twice.")


def _filters(
    items: Sequence[tuple[str, str]], filters: Mapping[str, Filter], as_json: str | None
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if as_json is not None:
        try:
            decoded = strict_json.decode(as_json.encode())
        except InvalidRequest as error:
            raise InvalidRequest([_about_filters(each) for each in error.errors]) from None
        if not isinstance(decoded, dict):
            raise InvalidRequest.at("/filters", "type", "It must be an object of filters.")
        found = decoded
    for name, filter_ in filters.items():
        values = [value_from_text(text, filter_) for key, text in items if key == name]
        if values and name in found:
            raise InvalidRequest.at(f"/{name}", "duplicate", "The filter is given twice.")
        if values:
            found[name] = values if len(values) > 1 else values[0]
    return found


def _about_filters(error: FieldError) -> FieldError:
    return FieldError("/filters" + error.pointer, error.code, error.detail.replace("The body", "It"))


def _with_page(request: ExportRequest, given: Mapping[str, str]) -> TableQuery:
    cursor = given.get("cursor")
    if cursor is not None and "page" in given:
        raise InvalidRequest.at("/cursor", "conflict", "Give either a page or a cursor.")
    return TableQuery(
        request,
        page=whole_number(given, "page", 1, MAX_PAGE),
        page_size=whole_number(given, "pageSize", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
        cursor=cursor,
    )


def whole_number(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise InvalidRequest.at(f"/{name}", "range", f"Must be a whole number from 1 to {most:,}.")
    return int(text)


def among(items: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    """What is given, each name one of these and given once."""
    given = dict(items)
    if len(given) < len(items):
        raise InvalidRequest.at("", "duplicate", "A parameter is given twice.")
    for name in given:
        if name not in names:
            raise InvalidRequest.at(f"/{escape_pointer(name)}", "unknown", "There is no such parameter.")
    return given


def _without_filters(error: FieldError) -> FieldError:
    """In a query a filter stands under its own name."""
    pointer = error.pointer.removeprefix("/filters") if error.pointer != "/filters" else error.pointer
    return FieldError(pointer, error.code, error.detail)
