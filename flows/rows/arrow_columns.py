"""A column's values as one Arrow array if Arrow holds each of them exactly, else as a list."""

from collections.abc import Sequence
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Offsets: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Flags: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.bool_]]"
Values: TypeAlias = Sequence[Any] | pa.Array

TEXT = pa.large_string()  # no limit of 2 GiB a chunk
TIMESTAMP = pa.timestamp("us")
_ARROW_TYPES = {str: TEXT, int: pa.int64(), bool: pa.bool_(), float: pa.float64()}


def packed(values: Values) -> Values:
    """Return an array if all values have one type that Arrow holds, else the values; None is null."""
    if isinstance(values, pa.Array):
        return values
    types = set(map(type, values)) - {NoneType}
    arrow_type = _ARROW_TYPES.get(types.pop()) if len(types) == 1 else None
    if arrow_type is None:
        return values
    try:
        return pa.array(values, arrow_type)
    except (OverflowError, UnicodeEncodeError):  # more than 64 bits; half of a surrogate pair
        return values


def timestamps(values: Values) -> Values:
    """Parse ISO texts without an offset; return the values themselves if one is anything else."""
    texts = packed(values)
    if not isinstance(texts, pa.LargeStringArray):
        return values
    try:
        return texts.cast(TIMESTAMP)
    except ValueError:
        return values


def unpacked(values: Values) -> Sequence[Any]:
    """Return Python values; timestamps are naive."""
    if not isinstance(values, pa.Array):
        return values
    return values.to_pylist()  # type: ignore[no-any-return]


def offsets(texts: pa.Array) -> Offsets:
    """Return where each text begins in the array's buffer, and where the last one ends."""
    return np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]


def data(texts: pa.Array) -> bytes:
    """Return all texts joined. Nulls may have bytes, too."""
    begins, buffer = offsets(texts), texts.buffers()[2]
    if buffer is None or not len(texts):
        return b""
    return buffer.slice(int(begins[0]), int(begins[-1] - begins[0])).to_pybytes()  # type: ignore[no-any-return]


def flags(booleans: pa.Array) -> Flags:
    """Return a boolean array without nulls as numpy's."""
    return booleans.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
