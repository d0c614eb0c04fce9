"""Convert dates and timestamps to Excel's serial numbers.

A serial number is the number of days since 1899-12-30.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.rows.arrow_columns import TIMESTAMP, Values, unpacked
from flows.rows.columns import OutputColumn

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_EPOCH_SERIAL = 25_569
_DAY = 86_400_000_000
_QUARTER = 900_000_000
# Excel does not support dates before 1900, and programs disagree about January and February 1900.
_FIRST_DAY = date(1900, 3, 1).toordinal() - _EPOCH.toordinal()
# The last days of 9999 are excluded, because a UTC timestamp on one of these days might have a local time in
# the year 10000.
_LAST_DAY = date(9999, 12, 29).toordinal() - _EPOCH.toordinal()


def date_serials(values: Values) -> pa.Array:
    """Return the serial number of each date, or null if the value is not a date or is out of range."""
    if isinstance(values, pa.Array) and pa.types.is_date32(values.type):
        days = values.cast(pa.int32()).cast(pa.int64())
    else:
        days = pa.array(
            [_days(value) if type(value) is date else None for value in unpacked(values)], pa.int64()
        )
    return pc.add(_within(days, _FIRST_DAY, _days(date.max)), _EPOCH_SERIAL)


def timestamp_serials(values: Values, column: OutputColumn, zone: ZoneInfo) -> pa.Array:
    """Return the serial number of each timestamp, or null if the value is not a timestamp or is out of range.

    If the column has a time zone, the serial numbers represent local times in `zone`.
    """
    if isinstance(values, pa.Array) and values.type == TIMESTAMP:
        counts = values.view(pa.int64())
    else:
        counts = pa.array([_microseconds(value, column.zoned) for value in unpacked(values)], pa.int64())
    counts = _within(counts, (_FIRST_DAY + 1) * _DAY, _LAST_DAY * _DAY)
    present = counts.drop_null().to_numpy()
    local = present + _offsets(present, zone) if column.zoned else present
    serials = pa.array(local // _DAY + _EPOCH_SERIAL + (local % _DAY) / _DAY)
    if counts.null_count == 0:
        return serials
    return pc.replace_with_mask(pa.nulls(len(counts), pa.float64()), counts.is_valid(), serials)


def _days(value: date) -> int:
    return value.toordinal() - _EPOCH.toordinal()


def _within(numbers: pa.Array, lowest: int, highest: int) -> pa.Array:
    in_range = pc.and_(pc.greater_equal(numbers, lowest), pc.less_equal(numbers, highest))
    return pc.if_else(in_range, numbers, pa.scalar(None, pa.int64()))


def _microseconds(value: Any, zoned: bool) -> int | None:
    if type(value) is not datetime:
        return None
    if value.tzinfo is not None and not zoned:
        value = value.replace(tzinfo=None)
    elapsed: timedelta = value - (_NAIVE_EPOCH if value.tzinfo is None else _EPOCH)
    return elapsed // timedelta(microseconds=1)


def _offsets(counts: Any, zone: ZoneInfo) -> Any:
    """Return the UTC offset at each timestamp, in microseconds."""
    quarters, places = np.unique(counts // _QUARTER, return_inverse=True)
    offsets = [_quarter_offset(zone, int(quarter)) for quarter in quarters]
    if None in offsets:
        return np.array([_offset(zone, int(count)) for count in counts], np.int64)
    return np.array(offsets, np.int64)[places]


@lru_cache(maxsize=100_000)
def _quarter_offset(zone: ZoneInfo, quarter: int) -> int | None:
    """Return the UTC offset during a quarter of an hour, or None if it changes within the quarter."""
    first, last = (_offset(zone, quarter * _QUARTER + part) for part in (0, _QUARTER - 1))
    return first if first == last else None


def _offset(zone: ZoneInfo, count: int) -> int:
    local_time = (_EPOCH + timedelta(microseconds=count)).astimezone(zone)
    return (local_time.utcoffset() or timedelta()) // timedelta(microseconds=1)
