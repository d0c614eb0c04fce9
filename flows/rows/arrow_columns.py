"""Convert columns between Python lists and Arrow arrays.

A column becomes an array only if Arrow can represent every value exactly.
"""

from collections.abc import Sequence
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Offsets: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Flags: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.bool_]]"
Values: TypeAlias = Sequence[Any] | pa.Array

TEXT = pa.large_string()  # Unlike string(), large_string() is not limited to 2 GiB per chunk.
TIMESTAMP = pa.timestamp("us")
_ARROW_TYPES = {str: TEXT, int: pa.int64(), bool: pa.bool_(), float: pa.float64()}


def packed(values: Values) -> Values:
    """Return the values as an Arrow array if possible. Otherwise, return them unchanged.

    The conversion is possible if all values have the same type and Arrow can represent them exactly. None
    becomes null.
    """
    if isinstance(values, pa.Array):
        return values
    types = set(map(type, values)) - {NoneType}
    arrow_type = _ARROW_TYPES.get(types.pop()) if len(types) == 1 else None
    if arrow_type is None:
        return values
    try:
        return pa.array(values, arrow_type)
    # One of the values is an integer that needs more than 64 bits, or a string with an unpaired surrogate.
    except (OverflowError, UnicodeEncodeError):
        return values


def timestamps(values: Values) -> Values:
    """Parse ISO timestamps without an offset.

    Return the values unchanged if any of them has a different format.
    """
    texts = packed(values)
    if not isinstance(texts, pa.LargeStringArray):
        return values
    try:
        return texts.cast(TIMESTAMP)
    except ValueError:
        return values


def unpacked(values: Values) -> Sequence[Any]:
    """Return the values as Python objects. Timestamps are naive."""
    if not isinstance(values, pa.Array):
        return values
    return values.to_pylist()  # type: ignore[no-any-return]


def offsets(texts: pa.Array) -> Offsets:
    """Return the offset of each string in the array's buffer, followed by the end of the last string."""
    return np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]


def data(texts: pa.Array) -> bytes:
    """Return the concatenated bytes of all strings.

    If the array stores bytes for null strings, the result contains them, too.
    """
    begins, buffer = offsets(texts), texts.buffers()[2]
    if buffer is None or not len(texts):
        return b""
    return buffer.slice(int(begins[0]), int(begins[-1] - begins[0])).to_pybytes()  # type: ignore[no-any-return]


def flags(booleans: pa.Array) -> Flags:
    """Convert a boolean array without nulls to a NumPy array."""
    return booleans.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
