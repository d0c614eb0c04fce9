"""Types of the fields of an export request: how each is read, and its JSON schema."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from flows.errors import InvalidRequest, escape_pointer, sentence
from flows.formats.csv_options import CHOICES, EXCEL_ROWS, PRESETS, Dialect, InvalidOption, parse_dialect
from flows.query import date_range
from flows.query.filter_values import MAX_TEXT_LENGTH, bits_of, parse_filter_value
from flows.query.question_keys import QUESTION_SEPARATOR, names_question, questions_key
from flows.query.report import Filter, Report, Scope, parse_sort, type_name

Schema = dict[str, Any]

MAX_ANY_OF = 1000
MAX_NAME_LENGTH = 200
DATE_PATTERN = (
    r"^(\d{4}-\d{1,2}-\d{1,2}|\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2}))$"
)
NO_NUL = r"^[^\u0000]*$"
_FILTER_SCHEMAS: Mapping[str, Schema] = {
    "string": {"type": "string", "maxLength": MAX_TEXT_LENGTH, "pattern": NO_NUL},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "date": {"type": "string", "format": "date"},
    "date-time": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
}


def one_of(values: Iterable[Any]) -> Any:
    """Return the Literal type of values that are known only at run time."""
    return Literal.__getitem__(tuple(values))


def read_by(parse: Any, schema: Schema) -> Any:
    """Return a type that `parse` reads (it raises ValueError) and that has this JSON schema."""
    return Annotated[Any, PlainValidator(parse), WithJsonSchema(schema)]


def text(parse: Any, **schema: Any) -> Any:
    return read_by(parse, {"type": "string", **schema})


def without_defaults(schema: Schema) -> None:
    """Remove `default`: client generators turn a field that has one into a required field."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


def read_name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not value.isprintable():
        raise ValueError(f"must be one line of 1 to {MAX_NAME_LENGTH} printable characters")
    return value


def scope_field(scope: Scope) -> Any:
    return text(partial(_read_scope, scope), pattern=f"^{scope.pattern}$")


def columns_field(report: Report) -> Any:
    keys: Schema = {"type": "string", "enum": list(report.table_columns)}
    group = questions_key(report)
    if group is not None:
        questions = rf"^{group}(\{QUESTION_SEPARATOR}.+)?$"
        keys = {"anyOf": [keys, {"type": "string", "format": "question-column", "pattern": questions}]}
    schema = {"type": "array", "items": keys, "minItems": 1, "uniqueItems": True}
    return read_by(partial(_read_columns, report), schema)


def sort_field(report: Report) -> Any:
    key = f"-?({'|'.join(report.sortable)})"
    return text(partial(_read_sort, report), format="sort-keys", pattern=f"^{key}(,{key})*$")


def filter_field(filter_: Filter) -> Any:
    value: Schema = {"anyOf": [filter_schema(filter_), {"type": "null"}]}
    several = {"type": "array", "items": value, "minItems": 1, "maxItems": MAX_ANY_OF}
    return read_by(partial(_read_filter, filter_), {"anyOf": [*value["anyOf"], several]})


def filter_schema(filter_: Filter) -> Schema:
    """Return the JSON schema of one value of the filter."""
    kind = type_name(filter_.column.type)
    schema = _FILTER_SCHEMAS[kind]
    if filter_.known_choices is not None:
        return {"type": schema["type"], "enum": list(filter_.known_choices)}
    if kind == "integer":
        bound = 1 << (bits_of(filter_) - 1)
        return {**schema, "minimum": -bound, "maximum": bound - 1}
    return dict(schema)


def _read_scope(scope: Scope, value: object) -> str:
    if not isinstance(value, str) or not scope.matches(value):
        raise PydanticCustomError("format", "Not a valid id.")
    return value


def _read_columns(report: Report, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(key, str) for key in value):
        raise ValueError("must be a list of at least one column key")
    for key in value:
        if key not in report.table_columns and not names_question(key, report):
            raise ValueError(f"unknown column {key!r}; choose from {', '.join(report.table_columns)}")
    if len(set(value)) < len(value):
        raise ValueError("must not name a column twice")
    return tuple(value)


def _read_sort(report: Report, value: object) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be column keys separated by commas, with - before a key for descending order")
    return parse_sort(value, report)


def _read_filter(filter_: Filter, value: object) -> tuple[Any, ...]:
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= MAX_ANY_OF:
        raise PydanticCustomError("length", f"A list must have 1 to {MAX_ANY_OF} values.")
    return tuple(parse_filter_value(item, filter_) for item in values)


def _read_csv(value: object) -> Dialect:
    try:
        return parse_dialect(value)
    except InvalidOption as error:
        pointer = f"/{escape_pointer(error.option)}" if error.option is not None else ""
        raise InvalidRequest.at(pointer, "invalid", sentence(error)) from None


def _csv_schema(schema: Schema) -> None:
    """Add which options exclude each other."""
    without_defaults(schema)
    schema["allOf"] = [
        {
            "if": {"properties": when, "required": list(when)},
            "then": {"properties": then, "required": list(then)},
        }
        for when, then in (
            ({"decimalMark": {"const": ","}}, {"delimiter": {"not": {"const": ","}}}),
            ({"splitRows": {"type": "integer"}}, {"compression": {"const": "zip"}}),
            (
                {"preset": {"const": "excel"}, "compression": {"const": "gzip"}},
                {"splitRows": {"type": "null"}},
            ),
        )
    ]


CsvPreset: Any = TypeAliasType("CsvPreset", one_of(PRESETS))
_OPTIONS = {name: bool if choices[0] is True else one_of(choices) for name, choices in CHOICES.items()}
_SPLIT_ROWS = Annotated[int, Field(ge=1, le=EXCEL_ROWS)] | None
_CSV_FIELDS: dict[str, Any] = {
    "preset": (CsvPreset, None),
    **{name: (kind, None) for name, kind in _OPTIONS.items()},
    "splitRows": (_SPLIT_ROWS, Field(None, description="Maximum rows per file. Needs `compression` zip.")),
}
CsvOptions: type[BaseModel] = create_model(
    "CsvOptions",
    __config__=ConfigDict(extra="forbid", json_schema_extra=_csv_schema),
    __doc__="Options that override those of the preset.",
    **_CSV_FIELDS,
)
Csv = Annotated[Dialect, PlainValidator(_read_csv, json_schema_input_type=CsvPreset | CsvOptions)]
TimeZone = text(date_range.parse_time_zone, format="iana-time-zone")
Name = text(read_name, format="line", minLength=1, maxLength=MAX_NAME_LENGTH)
Day = text(date_range.parse_date_or_timestamp, format="date-or-date-time", pattern=DATE_PATTERN)
