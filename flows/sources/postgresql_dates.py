"""Read PostgreSQL dates as text if Python cannot represent them.

Examples are infinity, BC dates, and years after 9999.
"""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

_TYPES = ("date", "timestamp", "timestamptz")


def read_as_text(connection: psycopg.Connection[Any]) -> None:
    """Make the connection return unsupported dates as text instead of raising DataError."""
    for name in _TYPES:
        connection.adapters.register_loader(name, _loader(connection, name))


def _loader(connection: psycopg.Connection[Any], name: str) -> type[Loader]:
    oid = connection.adapters.types[name].oid
    own_loader = connection.adapters.get_loader(oid, Format.TEXT)
    assert own_loader is not None  # noqa: S101 - psycopg has these types
    make: Callable[..., Any] = own_loader

    class DateOrText(Loader):
        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._load = make(oid, context).load

        def load(self, data: Buffer) -> Any:
            try:
                return self._load(data)
            except psycopg.DataError:
                return bytes(data).decode()

    return DateOrText
