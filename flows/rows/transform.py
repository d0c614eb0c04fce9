"""Apply a report's `transform` to chunks.

This module does not import pandas, which takes 30 MB, because some processes never convert a row. When Arrow
converts a list for the first time, it imports pandas, too.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk

if TYPE_CHECKING:
    import pandas as pd

Transform = Callable[["pd.DataFrame"], "pd.DataFrame"]


def transform_chunk(
    chunk: Chunk,
    columns: Sequence[OutputColumn],
    transform: Transform | None,
    zone: ZoneInfo,
    declared_in: str,
) -> Chunk:
    """Apply the report's `transform` to a chunk, or return the chunk unchanged if there is none.

    `declared_in` is the path of the report's file and is used in the error message. Raises TransformFailed if
    the transform raises an exception, or if it does not return a frame with the same columns and the same
    number of rows.
    """
    if transform is None:
        return chunk
    from flows.rows.pandas_frames import transform_with_pandas

    return transform_with_pandas(chunk, columns, transform, zone, declared_in)
