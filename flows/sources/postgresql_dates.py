"""Dates that PostgreSQL has and Python has not: infinite, before Christ, after 9999. Read as text."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

_TYPES = ("date", "timestamp", "timestamptz")


def read_as_text(connection: psycopg.Connection[Any]) -> None:
    for name in _TYPES:
        connection.adapters.register_loader(name, _loader(connection, name))


def _loader(connection: psycopg.Connection[Any], name: str) -> type[Loader]:
    oid = connection.adapters.types[name].oid
    exact = connection.adapters.get_loader(oid, Format.TEXT)
    assert exact is not None  # noqa: S101 - psycopg's own types
    make: Callable[..., Any] = exact

    class OrText(Loader):
        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._load = make(oid, context).load

        def load(self, data: Buffer) -> Any:
            try:
                return self._load(data)
            except psycopg.DataError:
                return bytes(data).decode()

    return OrText
