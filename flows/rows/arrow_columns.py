"""A column's values as one Arrow array, where that holds each of them exactly; else a list of them. Pure."""

from collections.abc import Sequence
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Offsets: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Flags: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.bool_]]"
Values: TypeAlias = Sequence[Any] | pa.Array

TEXT = pa.large_string()  # no limit of 2 GiB a chunk
MOMENT = pa.timestamp("us")
_KINDS = {str: TEXT, int: pa.int64(), bool: pa.bool_(), float: pa.float64()}


def packed(values: Values) -> Values:
    """As Arrow where all are of one type that it holds; None is NULL."""
    if isinstance(values, pa.Array):
        return values
    kinds = set(map(type, values)) - {NoneType}
    kind = _KINDS.get(kinds.pop()) if len(kinds) == 1 else None
    if kind is None:
        return values
    try:
        return pa.array(values, kind)
    except (OverflowError, UnicodeEncodeError):  # beyond 64 bits; half of a surrogate pair
        return values


def moments(values: Values) -> Values:
    """ISO texts without an offset as microseconds; the values themselves where one is anything else."""
    texts = packed(values)
    if not isinstance(texts, pa.LargeStringArray):
        return values
    try:
        return texts.cast(MOMENT)
    except ValueError:
        return values


def unpacked(values: Values) -> Sequence[Any]:
    """As Python has them; moments without a zone."""
    if not isinstance(values, pa.Array):
        return values
    found: list[Any] = values.to_pylist()
    return found


def offsets(texts: pa.Array) -> Offsets:
    """Where each text begins in the array's buffer, and where the last one ends."""
    return np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]


def data(texts: pa.Array) -> bytes:
    """All texts one after the other; those under a NULL may be among them."""
    begins, held = offsets(texts), texts.buffers()[2]
    if held is None or not len(texts):
        return b""
    found: bytes = held.slice(int(begins[0]), int(begins[-1] - begins[0])).to_pybytes()
    return found


def flags(found: pa.Array) -> Flags:
    """`found` are truth values without NULL."""
    each: Flags = found.to_numpy(zero_copy_only=False)
    return each
