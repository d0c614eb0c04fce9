"""Read the unique indexes of a table from the database."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from sqlalchemy import Connection, Table, exc, inspect, text

# An index with a condition or an expression does not make its columns unique. An index on a parent table is
# not enough either, because a select from the parent also returns the rows of its child tables.
_POSTGRESQL_INDEXES = text("""
    SELECT array_agg(attribute.attname::text)
    FROM pg_index AS index
    JOIN pg_class AS class ON class.oid = index.indrelid
    JOIN pg_attribute AS attribute
        ON attribute.attrelid = index.indrelid AND attribute.attnum = ANY (index.indkey)
    WHERE index.indrelid = to_regclass(:name) AND index.indisunique AND index.indisvalid
        AND index.indpred IS NULL AND index.indexprs IS NULL AND index.indnkeyatts = index.indnatts
        AND NOT (class.relkind = 'r' AND class.relhassubclass)
    GROUP BY index.indexrelid
""")
_MYSQL_INDEXES = text("""
    SELECT index_name, column_name FROM information_schema.statistics
    WHERE table_schema = :schema AND table_name = :name AND non_unique = 0
""")


def unique_columns(connection: Connection, table: Table) -> list[frozenset[str]]:
    """Return each set of columns whose combined values are unique.

    Combinations that contain a null may still repeat. The list is empty for databases other than PostgreSQL,
    SQLite, MariaDB and MySQL.
    """
    read = _READERS.get(connection.dialect.name)
    return [frozenset(columns) for columns in read(connection, table) if columns] if read is not None else []


def _postgresql(connection: Connection, table: Table) -> Iterator[list[str]]:
    name = connection.dialect.identifier_preparer.format_table(table)
    for (columns,) in connection.execute(_POSTGRESQL_INDEXES, {"name": name}):
        yield columns


def _mysql(connection: Connection, table: Table) -> Iterator[list[str]]:
    """Yield the columns of each unique index.

    An index that contains an expression has a null column name and is skipped.
    """
    schema = table.schema or connection.dialect.default_schema_name
    indexes: dict[str, list[str]] = {}
    for index, column in connection.execute(_MYSQL_INDEXES, {"schema": schema, "name": table.name}):
        indexes.setdefault(index, []).append(column)
    return (columns for columns in indexes.values() if None not in columns)


def _sqlite(connection: Connection, table: Table) -> Iterator[list[str]]:
    with suppress(exc.NoSuchTableError):
        yield from _inspected(connection, table)


def _inspected(connection: Connection, table: Table) -> Iterator[list[str]]:
    inspector, name, schema = inspect(connection), table.name, table.schema
    yield inspector.get_pk_constraint(name, schema)["constrained_columns"]
    for constraint in inspector.get_unique_constraints(name, schema):
        yield constraint["column_names"]
    for index in inspector.get_indexes(name, schema):
        columns = [column for column in index["column_names"] if column is not None]
        has_condition = any(option.endswith("_where") for option in index.get("dialect_options", {}))
        if index["unique"] and len(columns) == len(index["column_names"]) and not has_condition:
            yield columns


_READERS: dict[str, Callable[[Connection, Table], Iterator[list[str]]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
    "sqlite": _sqlite,
}
