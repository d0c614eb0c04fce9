"""Build the field types of an export request, with their parsers and JSON schemas."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, Literal
from unicodedata import category

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from flows.errors import FieldError, InvalidRequest, escape_pointer, sentence
from flows.formats.options import InvalidOptions
from flows.formats.protocol import Format
from flows.formats.registry import DEFAULT_FORMAT, FORMATS
from flows.query import date_range
from flows.query.filters.operators import Conditions, parse_conditions
from flows.query.filters.values import (
    BINARY,
    HIGHEST_INTEGER,
    LOWEST_INTEGER,
    MAX_ANY_OF,
    MAX_TEXT_LENGTH,
    parse_filter_value,
)
from flows.query.questions.keys import QUESTION_SEPARATOR, names_question, questions_key
from flows.query.questions.options import AnswerOptions, AnswerOptionsModel, parse_answer_options
from flows.query.report import Filter, Report, Scope, parse_sort
from flows.rows.columns import type_name
from flows.rows.local_text import LANGUAGE

Schema = dict[str, Any]

MAX_NAME_LENGTH = 200
MAX_LANGUAGE_LENGTH = 35
OPTIONS = "options_"  # Prefix of the fields that contain the options of a format.
# Unicode categories that a name must not contain: control characters, surrogates, private use and line
# separators. Unassigned code points are allowed, because Python's Unicode data lacks the newest emoji.
_NOT_IN_NAMES = {"Cc", "Cs", "Co", "Zl", "Zp"}
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # can disguise a name
_BYTE_ORDER_MARK = "\ufeff"
DATE_PATTERN = (
    r"^(\d{4}-\d{1,2}-\d{1,2}|\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2}))$"
)
HEXADECIMAL = r"^\\x([0-9A-Fa-f]{2})*$"
NO_NUL = r"^[^\u0000]*$"
_FILTER_SCHEMAS: Mapping[str, Schema] = {
    "string": {"type": "string", "maxLength": MAX_TEXT_LENGTH, "pattern": NO_NUL},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": LOWEST_INTEGER, "maximum": HIGHEST_INTEGER},
    "number": {"type": "number"},
    "date": {"type": "string", "format": "date"},
    "date-time": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
}


def one_of(values: Iterable[Any]) -> Any:
    """Return a Literal type for values that are known only at run time."""
    return Literal.__getitem__(tuple(values))


def read_by(parse: Any, schema: Schema) -> Any:
    """Return a field type whose values are parsed by `parse` and described by `schema`.

    `parse` must raise ValueError if a value is invalid.
    """
    return Annotated[Any, PlainValidator(parse), WithJsonSchema(schema)]


def text(parse: Any, **schema: Any) -> Any:
    return read_by(parse, {"type": "string", **schema})


def read_language(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_LANGUAGE_LENGTH or not re.fullmatch(LANGUAGE, value):
        raise PydanticCustomError("format", "Must be a language tag such as de or pt-BR.")
    return value.lower()


def read_name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not _is_printable(value):
        raise ValueError(f"must be one line of 1 to {MAX_NAME_LENGTH} printable characters")
    return value


def _is_printable(name: str) -> bool:
    """Return whether the name is printable.

    A printable name contains at least one visible character. It contains no characters that break a line or
    hide other characters.
    """
    is_visible = any(char == " " or category(char) not in ("Cf", "Zs") for char in name)
    return is_visible and all(map(_is_allowed, name))


def _is_allowed(char: str) -> bool:
    is_noncharacter = ord(char) & 0xFFFE == 0xFFFE or "\ufdd0" <= char <= "\ufdef"
    is_hidden = char in _BIDI_CONTROLS or char == _BYTE_ORDER_MARK
    return category(char) not in _NOT_IN_NAMES and not is_noncharacter and not is_hidden


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
    operators = _operators_schema(filter_)
    schemas = [*_values_schema(filter_)["anyOf"], *([operators] if operators["properties"] else [])]
    return read_by(partial(_read_filter, filter_), {"anyOf": schemas})


def _values_schema(filter_: Filter) -> Schema:
    """Return the schema for a single value or a list of values. Each value may be null."""
    value: Schema = {"anyOf": [filter_schema(filter_), {"type": "null"}]}
    several = {"type": "array", "items": value, "minItems": 1, "maxItems": MAX_ANY_OF}
    return {"anyOf": [*value["anyOf"], several]}


def _operators_schema(filter_: Filter) -> Schema:
    special: dict[str, Schema] = {"not": _values_schema(filter_), "null": {"type": "boolean"}}
    properties = {name: special.get(name, filter_schema(filter_)) for name in filter_.allowed_operators}
    return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}


def filter_schema(filter_: Filter) -> Schema:
    """Return the JSON schema of a single filter value."""
    kind = type_name(filter_.column.type)
    schema = _FILTER_SCHEMAS[kind]
    if filter_.known_choices is not None:
        return {"type": schema["type"], "enum": list(filter_.known_choices)}
    if isinstance(filter_.column.type, BINARY):
        return {**schema, "pattern": HEXADECIMAL}
    return dict(schema)


def _read_scope(scope: Scope, value: object) -> str:
    if not isinstance(value, str) or not scope.matches(value):
        raise PydanticCustomError("format", "Not a valid id.")
    return value


def _read_columns(report: Report, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(key, str) for key in value):
        raise ValueError("must be a list of at least one column key")
    unknown = [key for key in value if key not in report.table_columns and not names_question(key, report)]
    if unknown:
        names = f"column{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}"
        raise ValueError(f"unknown {names}; choose from {', '.join(report.table_columns)}")
    if len(set(value)) < len(value):
        raise ValueError("must not name a column twice")
    return tuple(value)


def _read_sort(report: Report, value: object) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be column keys separated by commas, with - before a key for descending order")
    return parse_sort(value, report)


def _read_filter(filter_: Filter, value: object) -> tuple[Any, ...] | Conditions:
    if isinstance(value, dict):
        return parse_conditions(value, filter_)
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= MAX_ANY_OF:
        raise PydanticCustomError("length", f"A list must have 1 to {MAX_ANY_OF} values.")
    return tuple(parse_filter_value(item, filter_) for item in values)


def options_field(format_: Format) -> Any:
    """Return the type of the field that contains the format's options."""
    read = PlainValidator(partial(_read_options, format_), json_schema_input_type=format_.options_type)
    return Annotated[Any, read]


def _read_options(format_: Format, value: object, info: ValidationInfo) -> Any:
    with _option_errors():
        options = format_.parse_options(value)
    if "format" in info.data and chosen_format(info.data["format"]) is not format_:
        raise ValueError(f"options for {format_.name}, which is not the requested format")
    return options


def answers_field() -> Any:
    """Return the type of the field that contains the options for answers."""
    return Annotated[Any, PlainValidator(_read_answers, json_schema_input_type=AnswerOptionsModel)]


def _read_answers(value: object) -> AnswerOptions:
    with _option_errors():
        return parse_answer_options(value)


def codebook_field() -> Any:
    """Return the type of the `codebook` field. The format's options must be validated before this field."""
    return Annotated[Any, PlainValidator(_read_codebook, json_schema_input_type=bool)]


def _read_codebook(value: object, info: ValidationInfo) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    format_ = chosen_format(info.data.get("format"))
    options = info.data.get(f"{OPTIONS}{format_.name}")
    if value:
        with _option_errors():
            format_.with_codebook(format_.parse_options(None) if options is None else options)
    return value


@contextmanager
def _option_errors() -> Iterator[None]:
    try:
        yield
    except InvalidOptions as error:
        raise InvalidRequest([_option_error(*reason) for reason in error.reasons.items()]) from None


def _option_error(option: str | None, reason: str) -> FieldError:
    pointer = f"/{escape_pointer(option)}" if option is not None else ""
    return FieldError(pointer, "invalid", sentence(reason))


def format_field() -> Any:
    return text(_read_format, enum=list(FORMATS))


def chosen_format(format_: Format | None) -> Format:
    return FORMATS[DEFAULT_FORMAT] if format_ is None else format_


def _read_format(value: object) -> Format:
    if not isinstance(value, str) or value not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return FORMATS[value]


TimeZone = text(date_range.parse_time_zone, format="iana-time-zone")
Name = text(read_name, format="line", minLength=1, maxLength=MAX_NAME_LENGTH)
LabelLanguage = text(read_language, pattern=f"^{LANGUAGE}$", maxLength=MAX_LANGUAGE_LENGTH)
Day = text(date_range.parse_date_or_timestamp, format="date-or-date-time", pattern=DATE_PATTERN)
