"""Convert the values of a column to XML cells.

Cells need no references such as A1, because their order determines their position. Text is written as inline
strings, because programs never evaluate those as formulas.
"""

from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from flows.formats import column_text
from flows.formats.csv.options import PRESETS
from flows.formats.xlsx.serials import date_serials, timestamp_serials
from flows.formats.xlsx.xml_text import escape, escape_all
from flows.rows.arrow_columns import TEXT, Values, packed
from flows.rows.columns import OutputColumn

HEADER_STYLE, DATE_STYLE, TIMESTAMP_STYLE = 1, 2, 3
EMPTY = "<c/>"
_TEXT_BEGIN, _TEXT_END = '<c t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>"
# Excel keeps at most this many significant digits.
_MAX_DIGITS = 15
_MAX_INTEGER = 10**_MAX_DIGITS - 1
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$"
_LEADING_ZERO = r"^-?0[0-9]"
_NOT_SIGNIFICANT = r"^-?0?\.?0*|\.|[eE].*$"


def text_cell(text: str, style: int = 0) -> str:
    begin = _TEXT_BEGIN.replace("<c ", f'<c s="{style}" ') if style else _TEXT_BEGIN
    return f"{begin}{escape(text)}{_TEXT_END}"


def number_cell(number: int) -> str:
    return f"<c><v>{number}</v></c>"


def cells(values: Values, column: OutputColumn, zone: ZoneInfo) -> pa.Array:
    """Return the XML of each cell. Nulls stay null.

    Values that a workbook cannot represent exactly, such as integers with 19 digits, are written as text.
    """
    values = packed(values)
    if column.type == "boolean" and isinstance(values, pa.Array) and values.type == pa.bool_():
        return _joined('<c t="b"><v>', values.cast(pa.int8()).cast(TEXT), "</v></c>")
    if column.type == "date":
        return _dated(date_serials(values), DATE_STYLE, values, column, zone)
    if column.type == "date-time":
        return _dated(timestamp_serials(values, column, zone), TIMESTAMP_STYLE, values, column, zone)
    texts = column_text.texts(values, column, zone, PRESETS["plain"])
    if column.type in ("integer", "number"):
        return _chosen(_are_exact(values, texts), _joined("<c><v>", texts, "</v></c>"), texts)
    return _text_cells(texts)


def _dated(serials: pa.Array, style: int, values: Values, column: OutputColumn, zone: ZoneInfo) -> pa.Array:
    cells = _joined(f'<c s="{style}"><v>', serials.cast(TEXT), "</v></c>")
    if serials.null_count == (values.null_count if isinstance(values, pa.Array) else values.count(None)):
        return cells
    return pc.coalesce(cells, _text_cells(column_text.texts(values, column, zone, PRESETS["plain"])))


def _chosen(are_exact: pa.Array, numbers: pa.Array, texts: pa.Array) -> pa.Array:
    are_exact = are_exact.fill_null(True)
    return numbers if are_exact.false_count == 0 else pc.if_else(are_exact, numbers, _text_cells(texts))


def _are_exact(values: Values, texts: pa.Array) -> pa.Array:
    """Return a mask that is true for each number that Excel stores without losing digits."""
    if isinstance(values, pa.Array) and values.type == pa.int64():
        return pc.and_(pc.less_equal(values, _MAX_INTEGER), pc.greater_equal(values, -_MAX_INTEGER))
    are_numbers = pc.match_substring_regex(texts, _NUMBER)
    if isinstance(values, pa.Array) and values.type == pa.float64():
        return are_numbers  # Workbooks store numbers as floats.
    digits = pc.utf8_length(pc.replace_substring_regex(texts, _NOT_SIGNIFICANT, ""))
    are_exact = pc.and_(are_numbers, pc.less_equal(digits, _MAX_DIGITS))
    return pc.and_not(are_exact, pc.match_substring_regex(texts, _LEADING_ZERO))


def _text_cells(texts: pa.Array) -> pa.Array:
    return _joined(_TEXT_BEGIN, escape_all(texts), _TEXT_END)


def _joined(begin: str, texts: pa.Array, end: str) -> pa.Array:
    return pc.binary_join_element_wise(
        pa.scalar(begin, TEXT), texts, pa.scalar(end, TEXT), pa.scalar("", TEXT)
    )
