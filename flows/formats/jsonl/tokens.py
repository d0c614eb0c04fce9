"""Convert the cells of a column to JSON values."""

import json
from collections.abc import Callable
from contextlib import suppress
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from flows.formats import column_text
from flows.formats.csv.options import PRESETS
from flows.rows.arrow_columns import TEXT, Values
from flows.rows.columns import OutputColumn

_NEEDS_ESCAPE = r'["\\\x00-\x1f]'
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_LITERALS = {"integer": _NUMBER, "number": _NUMBER, "boolean": "^(true|false)$"}
# Python's json module reads and writes these constants, so documents in SQLite may contain them.
_NOT_IN_JSON = "NaN|Infinity"


def tokens(values: Values, column: OutputColumn, zone: ZoneInfo) -> pa.Array:
    """Return each cell as the text of a JSON value. Nulls stay null.

    Numbers have the same digits as in CSV. Values without a JSON type, such as dates and NaN, become strings.
    """
    texts = column_text.texts(values, column, zone, PRESETS["plain"])
    if column.type == "json":
        return _documents(texts, column)
    literal = _LITERALS.get(column.type)
    if literal is None:
        return _strings(texts)
    if isinstance(values, pa.Array) and values.type in (pa.int64(), pa.bool_()):
        return texts
    return pc.if_else(pc.match_substring_regex(texts, literal), texts, _strings(texts))


def _strings(texts: pa.Array) -> pa.Array:
    escaped = _replaced(texts, _NEEDS_ESCAPE, lambda text: json.dumps(text, ensure_ascii=False)[1:-1])
    quote = pa.scalar('"', TEXT)
    return pc.binary_join_element_wise(quote, escaped, quote, pa.scalar("", TEXT))


def _documents(texts: pa.Array, column: OutputColumn) -> pa.Array:
    """Return each JSON document on a single line. Text that is not JSON becomes a JSON string.

    A column of a custom type may contain any text. For other types, the database has validated the documents.
    """
    is_custom = not type(column.expression.type).__module__.startswith("sqlalchemy.")
    checked = _replaced(texts, "" if is_custom else _NOT_IN_JSON, _json_or_string)
    # In valid JSON, line breaks occur only between tokens, because they are escaped within strings.
    return pc.replace_substring(pc.replace_substring(checked, "\n", " "), "\r", " ")


def _replaced(texts: pa.Array, pattern: str, convert: Callable[[str], str]) -> pa.Array:
    matching = pc.match_substring_regex(texts, pattern).fill_null(False)
    if matching.true_count == 0:
        return texts
    converted = [convert(text) for text in texts.filter(matching).to_pylist()]
    return pc.replace_with_mask(texts, matching, pa.array(converted, TEXT))


def _json_or_string(text: str) -> str:
    try:
        with suppress(RecursionError):
            _CHECK_JSON(text)
    except ValueError:
        return json.dumps(text, ensure_ascii=False)
    return text


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


# Numbers are kept as strings, because Python limits the number of digits when it parses an integer.
_CHECK_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_reject).decode
