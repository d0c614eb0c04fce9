"""The cells of a column as texts: by Arrow, where it writes them as `cells` does, else one by one. Pure."""

from functools import reduce
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from flows.formats import cell_text, timestamp_text
from flows.formats.csv_options import Dialect
from flows.formats.csv_text import FORMULA_STARTS, guarded
from flows.rows.arrow_columns import TEXT, Values, packed, unpacked
from flows.rows.columns import OutputColumn


def texts(values: Values, column: OutputColumn, zone: ZoneInfo, dialect: Dialect) -> pa.Array:
    """Of Arrow's large strings; NULL is NULL."""
    if column.type != "json":
        array = values if isinstance(values, pa.Array) else packed(values)
        written = _written(array, column, zone, dialect) if isinstance(array, pa.Array) else None
        if written is not None:
            return _guarded(written) if dialect.formula_guard and column.type == "string" else written
    return pa.array(cell_text.column_texts(unpacked(values), column, zone, dialect), TEXT)


def _written(array: pa.Array, column: OutputColumn, zone: ZoneInfo, dialect: Dialect) -> pa.Array | None:
    """None where Arrow's text is not the one that PostgreSQL gives."""
    kind = array.type
    if kind == TEXT:
        return array
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date32(kind):
        return array.cast(TEXT)
    if pa.types.is_timestamp(kind):
        local = dialect.date_times == "local"
        return (
            timestamp_text.zoned(array, zone, local) if column.zoned else timestamp_text.naive(array, local)
        )
    return None


def _guarded(array: pa.Array) -> pa.Array:
    starts = reduce(pc.or_, (pc.starts_with(array, start) for start in FORMULA_STARTS)).fill_null(False)
    if starts.true_count == 0:
        return array
    found = [guarded(text) for text in array.filter(starts).to_pylist()]
    return pc.replace_with_mask(array, starts, pa.array(found, TEXT))
