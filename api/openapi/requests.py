"""Schemas of what starts an export, from the catalog and the dialect. Pure."""

from collections.abc import Mapping
from typing import Any

from api.openapi.words import (
    DAY,
    LINE,
    QUESTION,
    SORT,
    ZONE,
    Schema,
    array,
    choice,
    described,
    nullable,
    ref,
    taken,
    text,
)
from flows.formats.csv_options import CHOICES, EXCEL_ROWS, PRESETS
from flows.formats.registry import FORMATS
from flows.query.filter_values import MAX_TEXT_LENGTH, bits_of
from flows.query.question_keys import QUESTION_SEPARATOR, questions_key
from flows.query.report import DEFAULT_REPORT, Filter, Report, type_name
from flows.query.request_fields import MAX_ANY_OF, MAX_NAME_LENGTH

NO_NUL = r"^[^\u0000]*$"
DAY_PATTERN = (
    r"^(\d{4}-\d{1,2}-\d{1,2}|\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2}))$"
)
_FROM = "The first day, such as 2024-7-19, or a date-time with an offset."
_TO = "The last day, which is included whole, or a date-time with an offset, which is not."

_FILTER_TYPES: Mapping[str, Schema] = {
    "string": text(maxLength=MAX_TEXT_LENGTH, pattern=NO_NUL),
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "date": text(format="date"),
    "date-time": text(format="date-time"),
    "uuid": text(format="uuid"),
}


def zone() -> Schema:
    return text("An IANA zone, in which days begin and times are written.", format=ZONE, default="UTC")


def name_of_file() -> Schema:
    """Printable, which no pattern says that every program would read."""
    said = "What people call it; browsers save the file under it."
    return text(said, format=LINE, minLength=1, maxLength=MAX_NAME_LENGTH)


def start_schemas(reports: Mapping[str, Report]) -> dict[str, Schema]:
    """A schema for each report, and `ExportRequest`, which is any of them. Without reports, what all share.

    The same without days, `RecurringRequest`, is what a recurring export asks for.
    """
    found = {"CsvPreset": choice(PRESETS), "CsvOptions": _csv_options()}
    found |= {f"{_in_capitals(name)}Filters": _filters(report) for name, report in reports.items()}
    for stem, days in (("ExportRequest", True), ("RecurringRequest", False)):
        each = {f"{_in_capitals(name)}{stem}": _request(report, days) for name, report in reports.items()}
        found |= each
        found[stem] = {"oneOf": [ref(name) for name in each]} if each else _any_report(days)
    return found


def value_of(filter_: Filter) -> Schema:
    """One value of a filter."""
    kind = type_name(filter_.column.type)
    found = _FILTER_TYPES[kind]
    if filter_.known_choices is not None:
        return {"type": found["type"], "enum": list(filter_.known_choices)}
    if kind == "integer":
        most = 1 << (bits_of(filter_) - 1)
        return {**found, "minimum": -most, "maximum": most - 1}
    return dict(found)


def _filters(report: Report) -> Schema:
    filters = {name: _filter(each) for name, each in report.filter_columns.items()}
    return taken(filters, description="A value means equals, a list any of, null is null.")


def _filter(filter_: Filter) -> Schema:
    value = nullable(value_of(filter_))
    found: Schema = {"anyOf": [value, array(value, minItems=1, maxItems=MAX_ANY_OF)]}
    return described(found, filter_.label) if filter_.label else found


def _request(report: Report, days: bool) -> Schema:
    is_default = report.name == DEFAULT_REPORT
    which: Schema = {"type": "string", "const": report.name}
    if is_default:
        which = {**nullable({"anyOf": [which]}), "default": report.name}
    scope = {name: text(each.label or "", pattern=f"^{each.pattern}$") for name, each in report.scope.items()}
    period = {"from": _day(_FROM), "to": _day(_TO)} if days and report.period is not None else {}
    required = [*([] if is_default else ["report"]), *scope, *period]
    properties = {
        "report": which,
        **scope,
        **period,
        "filters": nullable(ref(f"{_in_capitals(report.name)}Filters")),
        "columns": nullable(_columns(report)),
        "sort": nullable(_sort(report)),
        **_shared(),
    }
    return taken(properties, required, description=report.title)


def _any_report(days: bool) -> Schema:
    """What the catalog is, only callers are told, at GET /report-types."""
    period = {"from": nullable(_day(_FROM)), "to": nullable(_day(_TO))} if days else {}
    properties: dict[str, Schema] = {
        "report": text(default=DEFAULT_REPORT),
        **period,
        "filters": nullable({"type": "object"}),
        "columns": nullable(array(text(), minItems=1, uniqueItems=True)),
        "sort": nullable(text()),
        **_shared(),
    }
    description = "Beside these, the ids that the report is scoped by, such as `surveyId`."
    return {"type": "object", "properties": properties, "description": description}


def _shared() -> dict[str, Schema]:
    csv = {"anyOf": [ref("CsvPreset"), ref("CsvOptions")], "description": "A preset, or options over one."}
    format_ = nullable(choice(FORMATS, "CSV if left out."))
    return {
        "timeZone": nullable(zone()),
        "format": format_,
        "csv": nullable(csv),
        "name": nullable(name_of_file()),
    }


def _day(description: str) -> Schema:
    return text(description, format=DAY, pattern=DAY_PATTERN)


def _columns(report: Report) -> Schema:
    known = choice(report.table_columns)
    group = questions_key(report)
    if group is not None:
        questions = text(format=QUESTION, pattern=rf"^{group}(\{QUESTION_SEPARATOR}.+)?$")
        known = {"anyOf": [known, questions]}
    return array(known, minItems=1, uniqueItems=True, description="In the order of the file.")


def _sort(report: Report) -> Schema:
    sortable = [key for key, column in report.table_columns.items() if column.type != "json"]
    key = f"-?({'|'.join(sortable)})"
    return text("Keys of columns; `-` before one descends.", format=SORT, pattern=f"^{key}(,{key})*$")


def _csv_options() -> Schema:
    properties: dict[str, Schema] = {"preset": ref("CsvPreset")}
    for name, choices in CHOICES.items():
        boolean = isinstance(choices[0], bool)
        properties[name] = {"type": "boolean"} if boolean else choice(choices)
    split: Schema = {"type": ["integer", "null"], "minimum": 1, "maximum": EXCEL_ROWS}
    properties["splitRows"] = described(split, "Rows of a file at most; needs `zip`.")
    return taken(properties, description="Set over those of the preset.", allOf=_CSV_TOGETHER)


def _when(properties: dict[str, Any], then: Schema) -> Schema:
    return {"if": {"properties": properties, "required": list(properties)}, "then": then}


_CSV_TOGETHER: list[Schema] = [
    _when(
        {"decimalMark": {"const": ","}},
        {"properties": {"delimiter": {"not": {"const": ","}}}, "required": ["delimiter"]},
    ),
    _when(
        {"splitRows": {"type": "integer"}},
        {"properties": {"compression": {"const": "zip"}}, "required": ["compression"]},
    ),
    _when(
        {"preset": {"const": "excel"}, "compression": {"const": "gzip"}},
        {"properties": {"splitRows": {"type": "null"}}, "required": ["splitRows"]},
    ),
]


def _in_capitals(name: str) -> str:
    """`survey-responses` → `SurveyResponses`."""
    return "".join(word.capitalize() for word in name.split("-"))
