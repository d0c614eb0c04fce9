"""Read the unique indexes of a table from the database."""

from collections.abc import Iterator

from sqlalchemy import Connection, Table, exc, inspect, text

# An index with a condition or an expression does not make its columns unique. Neither does the index of a
# table whose rows include those of inheriting tables.
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


def unique_columns(connection: Connection, table: Table) -> list[frozenset[str]]:
    """Return the sets of columns whose values the database keeps unique, unless one of them is null."""
    if connection.dialect.name == "postgresql":
        name = connection.dialect.identifier_preparer.format_table(table)
        indexes = connection.execute(_POSTGRESQL_INDEXES, {"name": name})
        return [frozenset(columns) for (columns,) in indexes]
    try:
        return [frozenset(columns) for columns in _inspected(connection, table) if columns]
    except (exc.NoSuchTableError, NotImplementedError):
        return []


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
