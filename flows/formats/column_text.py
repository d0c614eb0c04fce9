"""Convert the cells of a column to text.

If Arrow produces the same text as `cell_text`, it converts the whole column at once. Otherwise, the cells are
converted one by one.
"""

from functools import reduce
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from flows.formats import cell_text, timestamp_text
from flows.formats.csv.options import CsvOptions
from flows.formats.csv.text import FORMULA_STARTS, INNER_FORMULA_START, TEXT_NUMBER, guarded
from flows.rows.arrow_columns import TEXT, Values, packed, unpacked
from flows.rows.columns import OutputColumn


def texts(values: Values, column: OutputColumn, zone: ZoneInfo, options: CsvOptions) -> pa.Array:
    """Return the text of the cells as a `large_string` array. Nulls stay null."""
    array = values if isinstance(values, pa.Array) else packed(values)
    if isinstance(array, pa.Array):
        written = _written(array, column, zone, options)
        if written is not None:
            return _guarded(written, options) if options.guards_text and column.type == "string" else written
    return pa.array(cell_text.column_texts(unpacked(values), column, zone, options), TEXT)


def _written(array: pa.Array, column: OutputColumn, zone: ZoneInfo, options: CsvOptions) -> pa.Array | None:
    """Convert the column with Arrow, or return None if the text would differ from PostgreSQL's."""
    if array.type == TEXT:
        return array
    if _has_same_text(array.type):
        return array.cast(TEXT)
    if pa.types.is_timestamp(array.type):
        local = options.date_times == "local"
        return (
            timestamp_text.zoned(array, zone, local) if column.zoned else timestamp_text.naive(array, local)
        )
    return None


def _has_same_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date32(kind))


def _guarded(array: pa.Array, options: CsvOptions) -> pa.Array:
    suspicious = _suspicious(array, options).fill_null(False)
    if suspicious.true_count == 0:
        return array
    texts = [guarded(text, options) for text in array.filter(suspicious).to_pylist()]
    return pc.replace_with_mask(array, suspicious, pa.array(texts, TEXT))


def _suspicious(array: pa.Array, options: CsvOptions) -> pa.Array:
    """Return a mask that is true for each string that `guarded` may change."""
    patterns = [f"^({TEXT_NUMBER})$"] if options.text_numbers == "guard" else []
    patterns += [INNER_FORMULA_START] if options.formula_guard else []
    masks = [pc.match_substring_regex(array, pattern) for pattern in patterns]
    masks += [pc.starts_with(array, start) for start in FORMULA_STARTS if options.formula_guard]
    return reduce(pc.or_, masks)
