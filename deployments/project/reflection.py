"""Inspect a table or view, and suggest a key, a period and filters for a report."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, column, func, inspect, select, table
from sqlalchemy import types as sql
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.engine.reflection import Inspector

from deployments.command_line.exit_codes import RequestRejected

SAMPLE_ROWS, MAX_CHOICES = 10_000, 20
_PART = re.compile(r'"((?:[^"]|"")+)"|`([^`]+)`|([^".`]+)')
_PII = re.compile(
    r"e_?mail|phone|mobile|fax|(first|last|full|middle|maiden|given|family)_?name|surname|address|street|birth|dob"
    r"|ssn|passport|iban|^ip$|^name$|pilot|respondent"
)
_PERIOD = re.compile(r"(_at|_on|date|time|timestamp|created|placed|submitted|ordered)$")


@dataclass(frozen=True)
class Reflected:
    """A table or view. `keys` contains the columns of its primary key, or one unique column."""

    name: str
    schema: str | None
    columns: list[ReflectedColumn]
    keys: list[str]
    indexed: frozenset[str]  # columns that come first in an index
    references: frozenset[str]  # columns of foreign keys
    choices: dict[str, list[str]]  # the values of text columns that have few distinct values

    @property
    def period(self) -> str | None:
        """Return the name of the date or timestamp column that best suits the report's period, or None."""
        days = [one for one in self.columns if isinstance(one["type"], sql.DateTime | sql.Date)]
        ranked = sorted(days, key=self._rank)
        return ranked[0]["name"] if ranked else None

    def _rank(self, one: ReflectedColumn) -> tuple[bool, bool, bool]:
        name = one["name"]
        return name not in self.indexed, one["nullable"], _PERIOD.search(name.lower()) is None

    @property
    def filters(self) -> list[str]:
        """Return the columns that are suitable as filters.

        These are foreign keys, booleans, enumerations, and text columns with few values.
        """
        return [one["name"] for one in self.columns if self._is_filter(one)]

    def _is_filter(self, one: ReflectedColumn) -> bool:
        name = one["name"]
        if name in self.keys or is_personal(name):
            return False
        chosen = name in self.references or name in self.choices
        return chosen or is_boolean(one["type"]) or isinstance(one["type"], sql.Enum)


def is_personal(name: str) -> bool:
    """Return whether a column's name suggests that the column contains personal data."""
    return _PII.search(name.lower()) is not None


def is_boolean(kind: Any) -> bool:
    return isinstance(kind, sql.Boolean) or (isinstance(kind, mysql.TINYINT) and kind.display_width == 1)


def reflect(connection: Connection, text: str) -> Reflected:
    """Return the columns, keys and indexes of a table or view.

    Raises RequestRejected if the table or view does not exist.
    """
    inspector = inspect(connection)
    name, schema = _find(inspector, text)
    columns = inspector.get_columns(name, schema=schema)
    primary = inspector.get_pk_constraint(name, schema=schema)["constrained_columns"]
    return Reflected(
        name=name,
        schema=schema,
        columns=columns,
        keys=list(primary) if len(primary) == 1 else _unique(inspector, name, schema) or list(primary),
        indexed=frozenset(_indexed(inspector, name, schema)),
        references=frozenset(
            part
            for key in inspector.get_foreign_keys(name, schema=schema)
            for part in key["constrained_columns"]
        ),
        choices=dict(_choices(connection, name, schema, columns)),
    )


def _find(inspector: Inspector, text: str) -> tuple[str, str | None]:
    if inspector.has_table(text):
        return text, None
    parts = [quoted.replace('""', '"') or other or plain for quoted, other, plain in _PART.findall(text)]
    name, schema = (parts or [text])[-1], parts[-2] if len(parts) > 1 else None
    if inspector.has_table(name, schema=schema):
        return name, schema
    names = ", ".join(sorted(_relations(inspector, schema))[:30]) or "none"
    place = f"schema {schema}" if schema else "the database"
    raise RequestRejected(f"There is no table or view {text!r}. Tables and views in {place}: {names}.")


def _relations(inspector: Inspector, schema: str | None) -> Iterator[str]:
    try:
        yield from inspector.get_table_names(schema=schema)
        yield from inspector.get_view_names(schema=schema)
        yield from inspector.get_materialized_view_names(schema=schema)
    except NotImplementedError:  # only PostgreSQL and Oracle have materialized views
        return


def _unique(inspector: Inspector, name: str, schema: str | None) -> list[str]:
    """Return a list with one non-nullable column that is unique by itself, or an empty list."""
    nullable = {one["name"]: one["nullable"] for one in inspector.get_columns(name, schema=schema)}
    unique: list[Sequence[str | None]] = [
        one["column_names"] for one in inspector.get_unique_constraints(name, schema=schema)
    ]
    unique += [one["column_names"] for one in inspector.get_indexes(name, schema=schema) if one["unique"]]
    single = [names[0] for names in unique if len(names) == 1 and names[0] is not None]
    return [one for one in single if not nullable[one]][:1]


def _indexed(inspector: Inspector, name: str, schema: str | None) -> Iterator[str]:
    for index in inspector.get_indexes(name, schema=schema):
        first = index["column_names"][0]
        if first is not None:
            yield first


def _choices(
    connection: Connection, name: str, schema: str | None, columns: list[ReflectedColumn]
) -> Iterator[tuple[str, list[str]]]:
    for one in columns:
        if isinstance(one["type"], sql.String) and not isinstance(one["type"], sql.Enum):
            values = _few_values(connection, name, schema, one["name"])
            if values:
                yield one["name"], values


def _few_values(connection: Connection, name: str, schema: str | None, of: str) -> list[str]:
    """Return the distinct values of a column, or an empty list if there are many or they rarely repeat."""
    value: Any = column(of)
    rows = select(value).select_from(table(name, value, schema=schema)).limit(SAMPLE_ROWS).subquery()
    counted = select(rows.c[of], func.count()).group_by(rows.c[of]).limit(MAX_CHOICES + 1)
    values = {str(choice): count for choice, count in connection.execute(counted) if choice is not None}
    repeat = sum(values.values()) >= 2 * len(values)
    return sorted(values) if values and len(values) <= MAX_CHOICES and repeat else []
