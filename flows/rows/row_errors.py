"""Report the row and column of a value that cannot be read or written."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from flows.errors import UnreadableRow, UnwritableValue
from flows.rows.arrow_columns import Values, unpacked
from flows.rows.columns import OutputColumn

logger = logging.getLogger(__name__)

T = TypeVar("T")


def apply_to_column(function: Callable[[Any], T], values: Any, column: OutputColumn, keys: Values) -> T:
    """Return `function(values)`.

    Raises UnreadableRow for the first value on which the function fails. `keys` contains the key of each
    value's row.
    """
    try:
        return function(values)
    except Exception:
        for number, key in enumerate(unpacked(keys)):
            _try_one(function, values[number : number + 1], column, key)
        raise


def _try_one(function: Callable[[Any], Any], value: Any, column: OutputColumn, key: Any) -> None:
    try:
        function(value)
    except Exception as error:
        logger.exception("a row contains a value that cannot be read or written")
        reason = str(error) if isinstance(error, UnwritableValue) else ""
        raise UnreadableRow.at(column.key, key, reason) from error
