"""Test every column type of every database in exports, tables, dry runs, sorting, filters and cursors.

Each operation must agree with the file or be rejected. Unsupported declarations are rejected at startup, and
unsupported values are rejected with InvalidRequest.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
import pytest
from sqlalchemy import JSON as Json
from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Time,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import NullType, TypeEngine

from api.exports.dry_run import preview
from api.tables import cursor as cursors
from api.tables.source import Source
from flows.errors import DeclarationError, InvalidRequest
from flows.query.report import Filter, Report
from flows.query.request import ExportRequest, parse_request
from flows.rows.columns import type_name
from flows.sources.snapshot import open_engine
from tests.support import mariadb
from tests.support.csv_reader import read
from tests.support.engines import (
    file_by_concat,
    file_by_copy,
    file_by_copy_chunks,
    file_by_sqlalchemy,
    with_transform,
)
from tests.support.table_pages import rows_by_pages, table_source

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

# The declared type and SQL values for each database type.
Types = dict[str, tuple[TypeEngine[Any], list[str]]]
POSTGRESQL: Types = {
    "smallint": (SmallInteger(), ["-32768", "5", "32767"]),
    "integer": (Integer(), ["-5", "0", "2147483647"]),
    "bigint": (BigInteger(), ["-9223372036854775808", "9007199254740993", "352776136104522888"]),
    "bigint as Integer": (Integer(), ["-9223372036854775808", "9223372036854775807", "5"]),
    "numeric": (Numeric(), ["1.50", "'NaN'", "repeat('9', 5001)::numeric"]),
    "numeric(40,15)": (Numeric(40, 15), ["-0.1", "12345678901234567890.123456789012345", "7"]),
    "real": (REAL(), ["0.1", "16777217", "'NaN'"]),
    "real as Float": (Float(), ["0.1", "0.2", "1e20"]),
    "double precision": (Double(), ["0.1", "1e300", "'-Infinity'"]),
    "money": (pg.MONEY(), ["1.5", "-1000", "0"]),
    "boolean": (Boolean(), ["true", "false", "true"]),
    "text": (Text(), ["''", "'a'", "E'it''s \"1\",\\n=2'"]),
    "varchar(9)": (Text(), ["'Ä'", "'a '", "'ß'"]),
    "char(6)": (Text(), ["'ab'", "'=a'", "''"]),
    "name": (Text(), ["'a'", "'b'", "'c'"]),
    '"char"': (Text(), ["'a'", "'b'", "'c'"]),
    "bytea": (LargeBinary(), [r"'\x00ff'", r"'\x'", r"'\x2c'"]),
    "date": (Date(), ["'0044-03-15 BC'", "'2024-07-19'", "'infinity'"]),
    "time": (Time(), ["'24:00:00'", "'17:00'", "'00:00:00.5'"]),
    "timetz": (Time(timezone=True), ["'17:00+02'", "'24:00:00-01'", "'00:00:00.5+00'"]),
    "timestamp": (DateTime(), ["'-infinity'", "'2024-07-19 10:00:00.000001'", "'275760-09-13'"]),
    "timestamptz": (DateTime(timezone=True), ["'infinity'", "'2024-07-19 10:00+02'", "'0044-03-15 BC'"]),
    "interval": (Interval(), ["'1 day 02:03:04.5'", "'-1 mon'", "'00:00:00'"]),
    "uuid": (Uuid(), ["'899e1228-d7b8-40fc-8490-70e6f1efb338'", "gen_random_uuid()", "gen_random_uuid()"]),
    "json": (Json(), [r"""'{"a":1,"a":2,"z":1e2}'""", r"""'{"a":"x\u0000y \ud800"}'""", "'null'"]),
    "json, deep": (
        Json(),
        ["(repeat('[', 900) || repeat(']', 900))::json", "repeat('9', 5001)::json", "'1e999'"],
    ),
    "jsonb": (pg.JSONB(), ["""'{"b":1,"a":[null]}'""", "'5'", "'\"x\"'"]),
    "inet": (pg.INET(), ["'10.0.0.1'", "'10.0.0.0/8'", "'::1'"]),
    "cidr": (pg.CIDR(), ["'10.0.0.0/8'", "'::1'", "'10.0.0.1/32'"]),
    "macaddr": (pg.MACADDR(), ["'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'", "'00:00:00:00:00:00'"]),
    "bit(3)": (pg.BIT(3), ["B'101'", "B'000'", "B'111'"]),
    "varbit": (pg.BIT(varying=True), ["B'1'", "B''", "B'111'"]),
    "integer[]": (pg.ARRAY(Integer), ["'{1,NULL,3}'", "'{}'", "'{{1},{2}}'"]),
    "text[]": (pg.ARRAY(Text), ["""'{"a,b",NULL}'""", "'{}'", "'{\"\"}'"]),
    "int4range": (pg.INT4RANGE(), ["'[1,5)'", "'empty'", "'(,3)'"]),
    "tstzrange": (pg.TSTZRANGE(), ["'[2024-07-19,)'", "'empty'", "'(,2024-01-01)'"]),
    "int4multirange": (pg.INT4MULTIRANGE(), ["'{[1,5),[7,9)}'", "'{}'", "'{[1,2)}'"]),
    "point": (NullType(), ["'(1,2)'", "'(0,0)'", "'(1e300,2)'"]),
    "polygon": (NullType(), ["'((0,0),(1,1),(1,0))'", "'((0,0))'", "'((2,2),(3,3))'"]),
    "box": (NullType(), ["'((1,1),(0,0))'", "'((2,2),(0,0))'", "'((3,3),(0,0))'"]),
    "circle": (NullType(), ["'<(1,2),3>'", "'<(0,0),1>'", "'<(0,0),2>'"]),
    "tsvector": (pg.TSVECTOR(), ["'a:1 b:2'", "''", "'c'"]),
    "tsquery": (NullType(), ["'a & b'", "'c'", "'!d'"]),
    "jsonpath": (NullType(), ["'$.a'", "'$'", "'$.b[*]'"]),
    "pg_lsn": (NullType(), ["'0/1'", "'FF/0'", "'0/0'"]),
    "oid": (pg.OID(), ["1", "4294967295", "7"]),
    "xid": (NullType(), ["'1'", "'2'", "'3'"]),
    "matrix_mood": (Enum("sad", "happy", name="matrix_mood"), ["'happy'", "'sad'", "'new'"]),
    "positive": (Integer(), ["1", "2", "3"]),
    "pair": (NullType(), ["ROW(1, 'a,b')", "ROW(2, NULL)", "ROW(NULL, '')"]),
}
MARIADB: Types = {
    "TINYINT": (Boolean(), ["2", "0", "1"]),
    "SMALLINT": (SmallInteger(), ["-32768", "0", "5"]),
    "INT UNSIGNED": (mysql.INTEGER(unsigned=True), ["4294967295", "0", "5"]),
    "INT UNSIGNED as Integer": (Integer(), ["4294967295", "0", "5"]),
    "BIGINT UNSIGNED as BigInteger": (BigInteger(), ["18446744073709551615", "9223372036854775808", "5"]),
    "BIGINT UNSIGNED": (mysql.BIGINT(unsigned=True), ["18446744073709551615", "9223372036854775808", "5"]),
    "DECIMAL(38,10)": (Numeric(38, 10), ["1234567890123456789012345678.0000000001", "-0.1", "7"]),
    "FLOAT": (Float(), ["0.1", "16777217", "1e20"]),
    "DOUBLE": (Double(), ["0.1", "1e300", "3"]),
    "BIT(1)": (Boolean(), ["b'1'", "b'0'", "b'1'"]),
    "BIT(12)": (mysql.BIT(12), ["b'101'", "b'0'", "b'111111111111'"]),
    "DATE": (Date(), ["'2024-07-19'", "'9999-12-31'", "'1000-01-01'"]),
    "DATETIME(6)": (DateTime(), ["'2024-07-19 10:00:00.000001'", "'9999-12-31'", "'1000-01-01'"]),
    "TIMESTAMP(6)": (DateTime(timezone=True), ["'2024-07-19 10:00:00.5'", "'1970-01-02'", "'2037-12-31'"]),
    "TIME(6)": (Time(), ["'838:59:59.999999'", "'-00:00:30.5'", "'23:59:59'"]),
    "YEAR": (mysql.YEAR(), ["2024", "1901", "2155"]),
    "CHAR(5)": (Text(), ["'ab'", "'Ä'", "''"]),
    "VARCHAR(9)": (Text(), ["'a'", "'ß'", "'🌳'"]),
    "VARCHAR(9) CHARACTER SET latin1": (Text(), ["'a'", "'é'", "''"]),
    "TEXT": (Text(), ["'it''s \"1\",\\n=2'", "''", "'z'"]),
    "BLOB": (LargeBinary(), ["x'00ff'", "x''", "x'2c'"]),
    "VARBINARY(5)": (LargeBinary(), ["x'00ff'", "x''", "x'2c'"]),
    "ENUM('z','b','a')": (mysql.ENUM("z", "b", "a"), ["'a'", "'b'", "'z'"]),
    "SET('z','b','a')": (mysql.SET("z", "b", "a"), ["'a,z'", "''", "'b'"]),
    "JSON": (Json(), [r"""'{"a":1,"a":2,"z":1e2}'""", r"""'{"a":"x\\u0000y"}'""", "'null'"]),
    "UUID": (Uuid(), ["'899e1228-d7b8-40fc-8490-70e6f1efb338'", "UUID()", "UUID()"]),
    "INET6": (NullType(), ["'::1'", "'::ffff:10.0.0.1'", "'::'"]),
    "POINT": (NullType(), ["POINT(1,2)", "POINT(0,0)", "POINT(3,3)"]),
}
SQLITE: Types = {
    "INTEGER": (Integer(), ["-5", "0", "2147483647"]),
    "INTEGER as 64 bits": (Integer(), ["-9223372036854775808", "1721347200000", "9223372036854775807"]),
    "SMALLINT": (SmallInteger(), ["-9223372036854775808", "32768", "9223372036854775807"]),
    "BIGINT": (BigInteger(), ["-9223372036854775808", "9007199254740993", "7"]),
    "REAL": (Double(), ["0.1", "1e300", "9e999"]),
    "NUMERIC": (Numeric(12, 2), ["12.5", "-0.1", "7"]),
    "NUMERIC, exact": (Numeric(), ["12.5", "-0.1", "7"]),
    "TEXT": (Text(), ["'it''s \"1\",\n=2'", "''", "'z'"]),
    "BLOB": (LargeBinary(), ["x'00ff'", "x''", "x'2c'"]),
    "BOOLEAN": (Boolean(), ["1", "0", "2"]),
    "DATE": (Date(), ["'2024-07-19'", "'9999-12-31'", "'0001-01-01'"]),
    "DATETIME": (
        DateTime(timezone=True),
        ["'2024-07-19 00:00:00'", "'2024-07-19T01:00+02:00'", "'2024-07-19'"],
    ),
    "TIMESTAMP": (DateTime(), ["'2024-07-19T00:00:00Z'", "'2024-07-18 22:00:00.5-03:30'", "'2024-07-19'"]),
    "TIME": (Time(), ["'10:00:00'", "'09:00'", "'23:59:59.000001'"]),
    "JSON": (Json(), [r"""'{"a":1,"a":2,"z":1e2}'""", r"""'{"a":"x\u0000y \ud800"}'""", "'null'"]),
    "CHAR(32)": (
        Uuid(),
        ["'899E1228-d7b8-40fc-8490-70e6f1efb338'", "'" + "a" * 32 + "'", "'" + "B" * 32 + "'"],
    ),
    "VARCHAR(5)": (Enum("small", "big"), ["'big'", "'small'", "'new'"]),
    "INTERVAL": (Interval(), ["'1970-01-02 02:03:04.500000'", "'1970-01-01 00:00:00.000000'", "NULL"]),
}
# Expected file contents for types that drivers or PostgreSQL's casts would format differently.
WRITTEN = {
    "real": ["0.1", "1.6777216e+07", "NaN"],
    "time": ["24:00:00", "17:00:00", "00:00:00.5"],
    "char(6)": ["ab    ", "=a    ", "      "],
    "date": ["0044-03-15 BC", "2024-07-19", "infinity"],
    "json": ['{"a":1,"a":2,"z":1e2}', r'{"a":"x\u0000y \ud800"}', None],
    "jsonb": ['{"a": [null], "b": 1}', "5", '"x"'],
    "pair": ['(1,"a,b")', "(2,)", '(,"")'],
    "TINYINT": ["true", "false", "true"],
    "BIGINT UNSIGNED": ["18446744073709551615", "9223372036854775808", "5"],
    "FLOAT": ["0.1", "16777200", "1e+20"],
    "BIT(1)": ["true", "false", "true"],
    "BIT(12)": ["5", "0", "4095"],
    "TIME(6)": ["838:59:59.999999", "-00:00:30.5", "23:59:59"],
    "SET('z','b','a')": ["z,a", "", "b"],
    "JSON": ['{"a":1,"a":2,"z":1e2}', None],
    "BOOLEAN": ["true", "false", "true"],
}
NO_ORDER = {"point", "polygon", "jsonpath", "circle", "xid", "json"}
TYPES = {"postgresql": POSTGRESQL, "mysql": MARIADB, "sqlite": SQLITE}
PREPARE = """
    CREATE TYPE matrix_mood AS ENUM ('sad', 'happy', 'new');
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE TYPE pair AS (a integer, b text);
"""


def create(engine: Engine, types: Types) -> None:
    columns = [f"c{number} {re.split(', [a-z]| as ', name)[0]}" for number, name in enumerate(types)]
    rows = [f"({row + 1}, {', '.join(values[row] for _, values in types.values())})" for row in range(3)]
    rows.append(f"(4{', NULL' * len(types)})")
    with engine.begin() as connection:
        for statement in [
            "DROP TABLE IF EXISTS matrix",
            f"CREATE TABLE matrix (id INTEGER PRIMARY KEY, {', '.join(columns)})",
            f"INSERT INTO matrix VALUES {', '.join(rows)}",  # noqa: S608
        ]:
            connection.exec_driver_sql(statement.replace("%", "%%"))


@pytest.fixture(scope="module")
def mariadb_url() -> Iterator[str]:
    with mariadb.running() as url:
        yield url


@pytest.fixture(scope="module", params=list(TYPES))
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('matrix')}/matrix.db"
    else:
        url = request.getfixturevalue("scratch_url" if request.param == "postgresql" else "mariadb_url")
    engine = open_engine(url, connect_seconds=5)
    if request.param == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE IF EXISTS matrix"))
            connection.execute(text("DROP TYPE IF EXISTS matrix_mood, pair, positive"))
            connection.execute(text(PREPARE))
    create(engine, TYPES[request.param])
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def source(engine: Engine) -> Iterator[Source]:
    with table_source(engine) as source:
        yield source


def declared(engine: Engine) -> Table:
    types = TYPES[engine.dialect.name]
    columns = [Column(f"c{number}", kind) for number, (kind, _) in enumerate(types.values())]
    return Table("matrix", MetaData(), Column("id", Integer, primary_key=True), *columns)


def reflected(engine: Engine) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy warns about types that it does not know.
        return Table("matrix", MetaData(), autoload_with=engine)


def request_of(report: Report, **fields: Any) -> ExportRequest:
    return parse_request({"report": "matrix", "sort": "id"} | fields, {"matrix": report})


def file_of(engine: Engine, request: ExportRequest) -> bytes:
    """Return the file after checking that all sources for the database produce the same bytes."""
    content = file_by_sqlalchemy(engine, request)
    if engine.dialect.name == "postgresql":
        assert file_by_copy(engine, request) == content
        assert file_by_copy_chunks(engine, with_transform(request)) == content
    elif engine.dialect.name == "mysql" and all(map(_is_text, request.report.select.exported_columns)):
        assert file_by_concat(engine, request) == content
    return content


def _is_text(column: Any) -> bool:
    return not isinstance(column.type, LargeBinary)


def cells_of(content: bytes) -> dict[int, str | None]:
    """Map each row's id to the row's cell."""
    return {int(row[0] or 0): row[1] for row in read(content)[1]}


@pytest.mark.parametrize("make", [declared, reflected])
def test_every_type_in_every_operation(engine: Engine, source: Source, make: Any) -> None:
    table = make(engine)
    counts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for number, name in enumerate(TYPES[engine.dialect.name]):
        check = Check(engine, source, table, table.c[f"c{number}"])
        try:
            done = list(check.all())
            counts.update(done)
            assert name not in NO_ORDER or "sort refused" in done
            if make is declared and name in WRITTEN:
                assert set(WRITTEN[name]) <= set(check.written.values())
        except Exception as error:  # noqa: BLE001 - all types are reported together
            failures[name] = f"{type(error).__name__}: {error}"
    print(f"{engine.dialect.name}, {make.__name__}: {sum(counts.values())} cells, {dict(counts)}")  # noqa: T201
    assert not failures, "\n".join(f"{name}: {failure}" for name, failure in failures.items())


@dataclass
class Check:
    """Runs and checks all operations on one column."""

    engine: Engine
    source: Source
    table: Table
    column: Column[Any]
    written: dict[int, str | None] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return str(self.column.key)

    def report(self, **fields: Any) -> Report:
        """Create a report and return it after the API's startup checks."""
        select_ = select(self.table.c.id, self.column)
        report = Report(name="matrix", title="Matrix", select=select_, key=self.table.c.id, **fields)
        return self.source.check_report(report)

    def all(self) -> Iterator[str]:
        report = self.report()
        request = request_of(report)
        written = self.written = cells_of(file_of(self.engine, request))
        assert list(written) == [1, 2, 3, 4]
        assert written[4] is None
        yield "export"
        assert self.page(request, "text") == written
        typed = self.page(request, "json")
        json.dumps(list(typed.values()), allow_nan=False, ensure_ascii=False).encode()
        assert {key for key in typed if typed[key] is None} == {
            key for key in written if written[key] is None
        }
        yield "table"
        sample = anyio.run(preview, request, self.source, ()).sample
        assert [row[self.key] for row in sample] == list(typed.values())
        yield "dry run"
        yield from self.sorted(report)
        yield self.filtered(written)

    def page(self, request: ExportRequest, values: str) -> dict[int, Any]:
        page = anyio.run(self.source.page, request, 10, 1, None, values)
        return {int(row["id"]): row[self.key] for row in page.rows}

    def sorted(self, report: Report) -> Iterator[str]:
        if self.key not in report.sortable:
            with pytest.raises(InvalidRequest):
                request_of(report, sort=self.key)
            yield from ("sort refused", "cursor refused")
            return
        for sort in (self.key, f"-{self.key}"):
            request = request_of(report, sort=sort)
            in_order = list(cells_of(file_of(self.engine, request)))
            assert in_order[-1] == 4, "null is last"
            assert [row["id"] for row in rows_by_pages(self.source, request, 1)] == in_order
            assert [row["id"] for row in rows_by_pages(self.source, request, 3)] == in_order
        yield from ("sort", "cursor")

    def filtered(self, written: dict[int, str | None]) -> str:
        try:
            report = self.report(filters={"value": self.column})
        except DeclarationError:
            return "filter refused at start"
        assert self.found(report, None) == [key for key, cell in written.items() if cell is None]
        is_always = True
        for cell in filter(None, written.values()):
            try:
                found = self.found(report, value_of(cell, self.column))
                equal = [key for key, other in written.items() if other == cell]
                assert set(equal) <= set(found), (cell, found)
            except InvalidRequest:
                is_always = False
        with suppress(InvalidRequest):
            assert self.found(report, value_of("5", self.column)) is not None
        self.operated(report, written)
        return "filter" if is_always else "filter, some values refused"

    def operated(self, report: Report, written: dict[int, str | None]) -> None:
        """Check that opposite operators select complementary rows, unless the value is rejected."""
        existing = {key for key, cell in written.items() if cell is not None}
        assert self.paged(report, {"null": False}) == existing
        operators = report.filter_columns["value"].allowed_operators
        for cell in filter(None, written.values()):
            value = value_of(cell, self.column)
            with suppress(InvalidRequest):
                equal = self.paged(report, value)
                assert self.paged(report, {"not": value}) == set(written) - equal
                if "contains" in operators:
                    assert equal <= self.paged(report, {"contains": value})
                for low, high in (("lt", "gte"), ("lte", "gt")) if "gte" in operators else ():
                    below, above = self.paged(report, {low: value}), self.paged(report, {high: value})
                    assert below | above == existing
                    assert not below & above
                    assert equal <= (below if low == "lte" else above), (low, cell)
                break

    def paged(self, report: Report, value: Any) -> set[int]:
        return set(self.page(request_of(report, filters={"value": value}), "text"))

    def found(self, report: Report, value: Any) -> list[int]:
        request = request_of(report, filters={"value": value})
        anyio.run(self.source.check_request, request)
        # The `export` and `sort` checks already compare all sources, so a single source is enough to see
        # which rows the filter selects.
        ids = list(cells_of(file_by_sqlalchemy(self.engine, request)))
        assert [row["id"] for row in rows_by_pages(self.source, request)] == ids
        return ids


def value_of(cell: str, column: Column[Any]) -> Any:
    """Return the cell as a client would send it in a filter."""
    kind = type_name(column.type)
    if kind == "boolean":
        return {"true": True, "false": False}.get(cell, cell)
    if kind == "integer":
        return int(cell) if cell.lstrip("-").isdigit() else cell
    if kind == "number":
        return Decimal(cell) if Decimal(cell).is_finite() else cell
    return cell + "Z" if kind == "date-time" and not column.type.timezone else cell


REJECTED = {
    "postgresql": {
        "inet": "abc",
        "bit(3)": "102",
        "integer[]": "1",
        "matrix_mood": "angry",
        "int4range": "x",
    },
    "mysql": {"VARCHAR(9) CHARACTER SET latin1": "🌳"},
    "sqlite": {},
}


def test_a_number_out_of_range_is_not_an_error(engine: Engine, source: Source) -> None:
    """Every integer column accepts the same numbers, including those that its type cannot store."""
    table, types = declared(engine), TYPES[engine.dialect.name]
    integers = [f"c{number}" for number, (kind, _) in enumerate(types.values()) if isinstance(kind, Integer)]
    assert len(integers) >= 4
    for key in integers:
        check = Check(engine, source, table, table.c[key])
        report = check.report(filters={"value": check.column})
        cells = cells_of(file_by_sqlalchemy(engine, request_of(report)))
        existing = {row for row, cell in cells.items() if cell is not None}
        for number in (-(2**63), 2**40, 2**64 - 1):
            equal = [row for row, cell in cells.items() if cell == str(number)]
            assert check.found(report, number) == equal, key
            assert check.paged(report, {"not": number}) == set(cells) - set(equal), key
        assert check.paged(report, {"gte": -(2**63), "lte": 2**64 - 1}) == existing
        scoped = check.report(scope={"number": check.column})
        with pytest.raises(InvalidRequest, match="Unknown id"):
            anyio.run(source.check_request, request_of(scoped, number=str(10**19 + 7)))


def test_a_value_that_a_column_does_not_accept_is_rejected(engine: Engine, source: Source) -> None:
    table, names = declared(engine), list(TYPES[engine.dialect.name])
    for name, value in REJECTED[engine.dialect.name].items():
        filters = {"value": Filter(table.c[f"c{names.index(name)}"], choices=("sad", "angry", value))}
        report = Report(
            name="matrix", title="Matrix", select=select(table.c.id), key=table.c.id, filters=filters
        )
        for wanted in (value, [None, value]):
            request = request_of(report, filters={"value": wanted})
            for ask in (source.check_request, partial(source.page, size=1, number=1, cursor=None)):
                with pytest.raises(InvalidRequest) as raised:
                    anyio.run(ask, request)
                assert [error.pointer for error in raised.value.errors] == ["/filters/value"], name


def test_a_forged_cursor_is_rejected(engine: Engine, source: Source) -> None:
    table = declared(engine)
    report = Report(name="matrix", title="Matrix", select=select(table.c.id), key=table.c.id)
    request = request_of(report, sort="-id")
    forged = cursors.encode(request, ["not a number", 2**64 - 1])
    with suppress(InvalidRequest):
        anyio.run(source.page, request, 1, 1, forged)
