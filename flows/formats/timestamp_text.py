"""Convert arrays of timestamps to text.

This produces the same text as `cell_text` in a tenth of the time.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.rows.arrow_columns import TEXT, TIMESTAMP

_DAY_MICROSECONDS = 86_400_000_000
_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
# The first and the last day whose year is between 1 and 9999 in every time zone, in days since 1970-01-01.
_FIRST_DAY = datetime(1, 1, 3, tzinfo=UTC).toordinal() - _EPOCH_DAY
_LAST_DAY = datetime(9999, 12, 29, tzinfo=UTC).toordinal() - _EPOCH_DAY


def naive(timestamps: pa.Array, local: bool) -> pa.Array:
    """Return the text of naive timestamps.

    The timestamps must have microsecond precision, and their years must be between 1 and 9999.
    """
    texts = timestamps.cast(TEXT)
    return pc.utf8_slice_codeunits(texts, 0, 19) if local else pc.utf8_replace_slice(texts, 10, 11, "T")


def zoned(timestamps: pa.Array, zone: ZoneInfo, local: bool) -> pa.Array | None:
    """Convert UTC timestamps to this time zone, and return them as text.

    Return None if any timestamp falls on a day that is out of range, or on a day on which the zone's offset
    changes or includes seconds.
    """
    counts = timestamps.cast(pa.int64())
    present = counts.drop_null().to_numpy()
    days, places = np.unique(present // _DAY_MICROSECONDS, return_inverse=True)
    if len(days) and not (days[0] >= _FIRST_DAY and days[-1] <= _LAST_DAY):
        return None
    offsets = [offset for day in days if (offset := _offset(zone, int(day))) is not None]
    if len(offsets) < len(days):
        return None
    local_times = np.array([seconds for seconds, _ in offsets], np.int64)[places] * 1_000_000 + present
    texts = naive(pa.array(local_times).view(TIMESTAMP), local)
    if not local:
        suffixes = pa.array([text for _, text in offsets], TEXT).take(pa.array(places))
        texts = pc.binary_join_element_wise(texts, suffixes, pa.scalar("", TEXT))
    return texts if counts.null_count == 0 else _among_nulls(texts, counts)


def _among_nulls(texts: pa.Array, like: pa.Array) -> pa.Array:
    return pc.replace_with_mask(pa.nulls(len(like), TEXT), like.is_valid(), texts)


@lru_cache(maxsize=50_000)
def _offset(zone: ZoneInfo, day: int) -> tuple[int, str] | None:
    """Return the zone's UTC offset on this day, in seconds and as text.

    Return None if the offset changes during the UTC day or includes seconds.
    """
    start = datetime.fromordinal(day + _EPOCH_DAY).replace(tzinfo=UTC)
    times = [(start + timedelta(minutes=minutes)).astimezone(zone) for minutes in range(0, 1441, 30)]
    offsets = {time.utcoffset() for time in times}
    offset = offsets.pop()
    if offsets or offset is None or offset % timedelta(minutes=1):
        return None
    return int(offset.total_seconds()), f"{times[0]:%z}"[:3] + ":" + f"{times[0]:%z}"[3:5]
