"""Convert chunks to DataFrames for a report's `transform`, and back to chunks, without losing precision.

The dtype depends on the type of the column:

integer            Int64
boolean            boolean
string, uuid       string; null is distinct from ''
number             Float64, or object with Decimals
date, date-time    datetime64[us], in the time zone of the request if the column has a time zone
time, json         object

If a chunk contains a value that the dtype cannot represent, such as an integer above 2**63 or PostgreSQL's
infinite date, the column has dtype object in this chunk.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Float, LargeBinary

from flows.errors import TransformFailed
from flows.rows import json_documents
from flows.rows.arrow_columns import TEXT, TIMESTAMP, Values, unpacked
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk
from flows.rows.transform import Transform

_Build = Callable[[Sequence[Any], OutputColumn, ZoneInfo], Any]
_T = TypeVar("_T")

_STRING = pd.StringDtype("pyarrow")
_MICROSECONDS = np.dtype("datetime64[us]")
_NOT_A_TIME = np.iinfo(np.int64).min
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)

logger = logging.getLogger(__name__)


def transform_with_pandas(
    chunk: Chunk, columns: Sequence[OutputColumn], transform: Transform, zone: ZoneInfo, declared_in: str
) -> Chunk:
    try:
        frame = _call(transform, frame_of(chunk.values, columns, zone))
        _check_frame(frame, chunk.rows, [column.key for column in columns])
        values = [
            _read_back(frame[column.key], column, own)
            for column, own in zip(columns, chunk.values, strict=True)
        ]
    except _BadTransform as error:
        message = f"The report's transform ({Path(declared_in).name}) {error}."
        raise TransformFailed(message) from error.__cause__
    return Chunk(values, chunk.keys)


class _BadTransform(Exception):
    """The transform failed. The message completes the sentence "The report's transform …"."""


def _call(transform: Transform, frame: pd.DataFrame) -> Any:
    try:
        return transform(frame)
    except Exception as error:
        logger.exception("the report's transform failed")
        raise _BadTransform(f"raised {type(error).__name__}") from error


def _check_frame(frame: Any, rows: int, keys: Sequence[str]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise _BadTransform("did not return a DataFrame")
    if len(frame) != rows:
        raise _BadTransform(f"changed the number of rows from {rows} to {len(frame)}")
    missing = [key for key in keys if key not in frame.columns]
    if missing:
        raise _BadTransform(f"dropped columns: {', '.join(missing)}")
    duplicates = [key for key in keys if isinstance(frame[key], pd.DataFrame)]
    if duplicates:
        raise _BadTransform(f"returned duplicate columns: {', '.join(duplicates)}")


def _read_back(series: "pd.Series[Any]", column: OutputColumn, stored: Values) -> Values:
    is_naive = series.dtype.kind == "M" and not isinstance(series.dtype, pd.DatetimeTZDtype)
    if column.zoned and is_naive and series.notna().any():
        raise _BadTransform(f"returned timestamps without a time zone in {column.key}")
    values = values_of(series, column)
    return json_documents.encode(unpacked(values), unpacked(stored)) if column.type == "json" else values


def frame_of(values: Sequence[Values], columns: Sequence[OutputColumn], zone: ZoneInfo) -> pd.DataFrame:
    arrays = [
        _array(column_values, column, zone) for column_values, column in zip(values, columns, strict=True)
    ]
    frame = pd.DataFrame(dict(enumerate(arrays)), copy=False)
    frame.columns = pd.Index([column.key for column in columns])
    return frame


def values_of(series: "pd.Series[Any]", column: OutputColumn) -> Values:
    """Convert a series of any dtype to column values. Missing values become null."""
    kind = series.dtype
    if isinstance(kind, pd.DatetimeTZDtype) or kind.kind == "M":
        return _timestamps(series, column)
    if isinstance(kind, np.dtype) and kind.kind in "iub":
        return pa.array(series.to_numpy())
    if isinstance(kind, pd.StringDtype):
        return _strings_of(series)
    if hasattr(series.array, "_mask"):
        return pa.array(series.array)
    return [_plain(value) for value in series.astype(object).tolist()]


def _strings_of(series: "pd.Series[Any]") -> Values:
    try:
        texts = pa.array(series.array).cast(TEXT)
    except UnicodeEncodeError:  # A string has an unpaired surrogate. The writer will report the row.
        return [_plain(value) for value in series.astype(object).tolist()]
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _array(values: Values, column: OutputColumn, zone: ZoneInfo) -> Any:
    if column.type == "json":
        return _objects(json_documents.decode(unpacked(values)), column, zone)
    if isinstance(values, pa.Array):
        build = _typed_arrow(values.type, column)
        return build(values, column, zone) if build else _objects(unpacked(values), column, zone)
    kinds, build = _typed(column)
    if set(map(type, values)) <= {NoneType, *kinds}:
        try:
            return build(values, column, zone)
        except (OverflowError, ValueError):
            pass
    return _objects(values, column, zone)


def _typed_arrow(kind: pa.DataType, column: OutputColumn) -> _Build | None:
    """Return the function that builds the column's array from an Arrow array of this type.

    Return None if the column then has dtype object.
    """
    if isinstance(column.expression.type, LargeBinary):
        return None
    if column.type == "number" and not isinstance(column.expression.type, Float):
        return None
    expected, build = _TYPED_ARROW.get(column.type, (None, None))
    return build if kind == expected else None


def _of_dtype(dtype: Any) -> _Build:
    return lambda values, column, zone: dtype.__from_arrow__(values)


def _timestamps_of_arrow(values: Any, column: OutputColumn, zone: ZoneInfo) -> Any:
    counts = values.cast(pa.int64()).fill_null(_NOT_A_TIME)
    return _zoned(counts.to_numpy().copy().view(_MICROSECONDS), column, zone)


def _days_of_arrow(values: Any, column: OutputColumn, zone: ZoneInfo) -> Any:
    return _timestamps_of_arrow(values.cast(TIMESTAMP), column, zone)


def _typed(column: OutputColumn) -> tuple[set[type], _Build]:
    """Return the value types that the column's array supports, and the function that builds the array."""
    if column.type == "string" and isinstance(column.expression.type, LargeBinary):
        return set(), _objects
    if column.type == "number" and isinstance(column.expression.type, Float):
        return {float}, _floats
    return _TYPED.get(column.type, (set(), _objects))


def _integers(values: Sequence[Any], column: OutputColumn, zone: ZoneInfo) -> Any:
    return _masked(values, pd.arrays.IntegerArray, np.dtype(np.int64), 0)


def _booleans(values: Sequence[Any], column: OutputColumn, zone: ZoneInfo) -> Any:
    return _masked(values, pd.arrays.BooleanArray, np.dtype(np.bool_), False)


def _floats(values: Sequence[Any], column: OutputColumn, zone: ZoneInfo) -> Any:
    return _masked(values, pd.arrays.FloatingArray, np.dtype(np.float64), 0.0)


def _masked(values: Sequence[Any], array: Callable[..., _T], dtype: np.dtype[Any], filler: Any) -> _T:
    """Build a masked array with an explicit mask, because pandas would treat NaN as null."""
    if None not in values:
        return array(np.array(values, dtype), np.zeros(len(values), np.bool_))
    missing = np.array([value is None for value in values], np.bool_)
    return array(np.array([filler if value is None else value for value in values], dtype), missing)


def _texts(values: Sequence[Any], column: OutputColumn, zone: ZoneInfo) -> Any:
    if UUID in set(map(type, values)):
        values = [value and str(value) for value in values]
    try:
        return _of_dtype(_STRING)(pa.array(values, TEXT), column, zone)
    except UnicodeEncodeError:  # A string has an unpaired surrogate.
        return pd.array(_object_array(values), dtype=pd.StringDtype("python"))


def _days(values: Sequence[Any], column: OutputColumn, zone: ZoneInfo) -> Any:
    return np.array(values, _MICROSECONDS)


def _datetimes(values: Sequence[Any], column: OutputColumn, zone: ZoneInfo) -> Any:
    """Convert datetimes to an array. Naive values are assumed to be in UTC.

    Converting to integers first is six times as fast as NumPy's own conversion.
    """
    counts = [_NOT_A_TIME if value is None else _microseconds(value) for value in values]
    return _zoned(np.array(counts, np.int64).view(_MICROSECONDS), column, zone)


def _zoned(instants: "np.ndarray[Any, Any]", column: OutputColumn, zone: ZoneInfo) -> Any:
    return pd.DatetimeIndex(instants).tz_localize("UTC").tz_convert(zone) if column.zoned else instants


def _microseconds(value: datetime) -> int:
    elapsed = value - (_EPOCH if value.tzinfo is not None else _NAIVE_EPOCH)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds


def _objects(values: Sequence[Any], column: OutputColumn, zone: ZoneInfo) -> Any:
    return _object_array(values)


def _object_array(values: Sequence[Any]) -> "np.ndarray[Any, np.dtype[np.object_]]":
    """Return an array with one object per value, even if all values are lists of the same length."""
    array = np.empty(len(values), object)
    array[:] = list(values)
    return array


def _floats_of_arrow(values: pa.Array, column: OutputColumn, zone: ZoneInfo) -> Any:
    """Build the array with an explicit mask, because NaN is not null."""
    filled = values.fill_null(0.0).to_numpy(zero_copy_only=False).copy()
    return pd.arrays.FloatingArray(filled, values.is_null().to_numpy(zero_copy_only=False))


_TYPED: dict[str, tuple[set[type], _Build]] = {
    "integer": ({int}, _integers),
    "boolean": ({bool}, _booleans),
    "string": ({str}, _texts),
    "uuid": ({str, UUID}, _texts),
    "date": ({date}, _days),
    "date-time": ({datetime}, _datetimes),
    "time": ({time}, _objects),
}
_TYPED_ARROW: dict[str, tuple[pa.DataType, _Build]] = {
    "integer": (pa.int64(), _of_dtype(pd.Int64Dtype())),
    "boolean": (pa.bool_(), _of_dtype(pd.BooleanDtype())),
    "number": (pa.float64(), _floats_of_arrow),
    "string": (TEXT, _of_dtype(_STRING)),
    "uuid": (TEXT, _of_dtype(_STRING)),
    "date": (pa.date32(), _days_of_arrow),
    "date-time": (TIMESTAMP, _timestamps_of_arrow),
}


def _timestamps(series: "pd.Series[Any]", column: OutputColumn) -> pa.Array:
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = (series.dt.tz_convert("UTC") if column.zoned else series).dt.tz_localize(None)
    instants = series.to_numpy(_MICROSECONDS)
    missing = np.isnat(instants)
    is_midnight = missing | (instants == instants.astype("datetime64[D]"))
    array = pa.array(instants.view(np.int64), mask=missing).view(TIMESTAMP)
    return array.cast(pa.date32()) if column.type == "date" and is_midnight.all() else array


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and value != value else value
