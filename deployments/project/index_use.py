"""Use EXPLAIN to find out whether the database can use an index for a query."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Column, ColumnElement, Connection, Executable, Select, Table, inspect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

# PostgreSQL prefers sequential scans of small tables. With these settings off, it uses an index if possible.
_PREFER_INDEX = ("enable_seqscan", "enable_sort")


def finds_by_index(connection: Connection, query: Select[Any], column: ColumnElement[Any]) -> bool:
    """Return whether the database can use an index on the column to find the query's rows."""
    name = str(getattr(column, "name", ""))
    match connection.dialect.name:
        case "postgresql":
            plans = _postgresql_plan(connection, query)
            return any(name in str(plan.get("Index Cond", "")) for plan in plans)
        case "sqlite":
            details = [row[-1] for row in _explain(connection, query, "EXPLAIN QUERY PLAN")]
            return any("SEARCH" in detail and name in detail for detail in details)
        case "mysql" | "mariadb":
            rows = [row._mapping for row in _explain(connection, query, "EXPLAIN")]
            return any(row["key"] or row["possible_keys"] for row in rows) and has_index(connection, column)
    return True


def sorts_by_index(connection: Connection, query: Select[Any], column: ColumnElement[Any]) -> bool:
    """Return whether the database can read the query's rows in order from an index."""
    match connection.dialect.name:
        case "postgresql":
            return all(plan["Node Type"] != "Sort" for plan in _postgresql_plan(connection, query))
        case "sqlite":
            details = [row[-1] for row in _explain(connection, query, "EXPLAIN QUERY PLAN")]
            return not any("TEMP B-TREE FOR ORDER BY" in detail for detail in details)
        case "mysql" | "mariadb":
            rows = [row._mapping for row in _explain(connection, query, "EXPLAIN")]
            is_sorted = any("filesort" in str(row["Extra"]) for row in rows)
            return not is_sorted or has_index(connection, column)
    return True


def has_index(connection: Connection, column: ColumnElement[Any]) -> bool:
    """Return whether an index or key of the column's table starts with the column."""
    if not isinstance(column, Column) or not isinstance(column.table, Table):
        return False
    inspector, place = inspect(connection), {"schema": column.table.schema}
    name = column.table.name
    keys: list[Sequence[str | None]] = [
        index["column_names"] for index in inspector.get_indexes(name, **place)
    ]
    keys += [unique["column_names"] for unique in inspector.get_unique_constraints(name, **place)]
    keys.append(inspector.get_pk_constraint(name, **place)["constrained_columns"])
    return any(key[:1] == [column.name] for key in keys)


class Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, query: Select[Any], command: str) -> None:
        self.query, self.command = query, command


@compiles(Explain)
def _compile(element: Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"{element.command} {compiler.process(element.query, **options)}"


def _explain(connection: Connection, query: Select[Any], command: str) -> list[Any]:
    return list(connection.execute(Explain(query, command)))


def _postgresql_plan(connection: Connection, query: Select[Any]) -> Iterator[dict[str, Any]]:
    for setting in _PREFER_INDEX:
        connection.exec_driver_sql(f"SET LOCAL {setting} = off")
    try:
        rows = _explain(connection, query, "EXPLAIN (FORMAT JSON)")
    finally:
        for setting in _PREFER_INDEX:
            connection.exec_driver_sql(f"SET LOCAL {setting} = on")
    plan = rows[0][0]
    yield from _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
