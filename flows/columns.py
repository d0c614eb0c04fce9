"""A column's values as one Arrow array, where that holds each of them exactly; else a list of them. Pure."""

from collections.abc import Sequence
from types import NoneType
from typing import Any, TypeAlias

import pyarrow as pa

Values: TypeAlias = Sequence[Any] | pa.Array

TEXT = pa.large_string()  # no limit of 2 GiB a chunk
MOMENT = pa.timestamp("us")
_KINDS = {str: TEXT, int: pa.int64(), bool: pa.bool_(), float: pa.float64()}


def packed(values: Sequence[Any]) -> Values:
    """As Arrow where all are of one type that it holds; None is NULL."""
    kinds = set(map(type, values)) - {NoneType}
    kind = _KINDS.get(kinds.pop()) if len(kinds) == 1 else None
    if kind is None:
        return values
    try:
        return pa.array(values, kind)
    except (OverflowError, UnicodeEncodeError):  # beyond 64 bits; half of a surrogate pair
        return values


def moments(values: Sequence[Any]) -> Values:
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
