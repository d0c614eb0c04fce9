"""Tables with columns of every type, and Hypothesis strategies for their rows and for requests."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import (
    CHAR,
    JSON,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
    delete,
    insert,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import ARRAY, INET, INT4RANGE, JSONB, Range

from flows.query.report import Choices, Questions, Report
from flows.query.request import ExportRequest, parse_request

# Use the same examples in every run, and set no time limit per example.
PROOF = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
MOODS = ("fine", "so, so", '"bad"', "=1")


def common_columns(mood: str) -> list[Column[Any]]:
    """Return one column for each type that all databases support. `mood` is the name of the enum type."""
    return [
        Column("id", Integer, primary_key=True),
        Column("words", Text),
        Column("code", String),
        Column("whole", Integer),
        Column("large", BigInteger),
        Column("price", Numeric(12, 2)),
        Column("rate", Double),
        Column("yes", Boolean),
        Column("day", Date),
        Column("hour", Time),
        Column("at", DateTime(timezone=True)),
        Column("local_at", DateTime),
        Column("uid", Uuid),
        Column("raw", LargeBinary),
        Column("mood", Enum(*MOODS, name=mood)),
        Column("span", Interval),
        Column("extra", JSON),
        Column("answers", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    ]


common = Table("common", MetaData(), *common_columns("mood"))
of_postgresql = Table(
    "of_postgresql",
    MetaData(),
    *common_columns("mood_of_postgresql"),
    Column("padded", CHAR(6)),
    Column("small", SmallInteger),
    Column("amount", Numeric),
    Column("exact", Numeric(40, 15)),
    Column("ratio", REAL),
    Column("zoned_hour", Time(timezone=True)),
    Column("tags", ARRAY(Text)),
    Column("counts", ARRAY(Integer)),
    Column("moments", ARRAY(DateTime(timezone=True))),
    Column("document", JSONB),
    Column("host", INET),
    Column("numbers", INT4RANGE),
)

of_mariadb = Table(
    "of_mariadb",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("words", Text),
    Column("code", String(200)),
    Column("whole", Integer),
    Column("large", BigInteger),
    Column("price", Numeric(38, 2)),
    Column("rate", Double),
    Column("yes", Boolean),
    Column("day", Date),
    Column("hour", mysql.TIME(fsp=6)),
    Column("at", DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")),
    Column("local_at", mysql.DATETIME(fsp=6)),
    Column("uid", Uuid),
    Column("mood", Enum(*MOODS)),
    Column("extra", JSON),
    Column("answers", JSON, nullable=False),
)


def _question(key: str, label: str, multiple: bool) -> Any:
    return select(
        literal(key).label("key"), literal(label).label("label"), literal(multiple).label("multiple")
    )


QUESTIONS = {"one": ("=One?", False), "many": ('Many, or "all"?', True), "two words": ("-", False)}


# Each choice consists of a question key, a code and a label. Answers contain the codes.
CHOICES = [
    *(
        ("many", "", "Nothing"),
        ("many", "-5", "=minus five"),
        ("many", "true", "Yes; no"),
        ("many", "1", "One"),
    ),
    *(("one", "null", "Null"), ("one", "false", "-"), ("one", ",", "A comma"), ("one", "0", "")),
]


def report_of(table: Table) -> Report:
    questions = union_all(*(_question(key, *rest) for key, rest in QUESTIONS.items())).subquery()
    choices = union_all(*(select(*map(literal, choice)) for choice in CHOICES)).subquery()
    return Report(
        name="kinds",
        title="Kinds",
        select=select(*[column for column in table.c if column.name != "answers"]),
        key=table.c.id,
        questions=Questions(
            answers=table.c.answers,
            select=select(questions.c.key, questions.c.label, questions.c.multiple),
            scope={},
            choices=Choices(choices.select(), scope={}),
        ),
    )


REPORTS = {table: report_of(table) for table in (common, of_mariadb, of_postgresql)}


def kinds_request(table: Table, **fields: Any) -> ExportRequest:
    return parse_request({"report": "kinds"} | fields, {"kinds": REPORTS[table]})


# PostgreSQL accepts neither NUL nor surrogates.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
AWKWARD = [
    "",
    " ",
    ",",
    ";",
    "|",
    '"',
    "'",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\v",
    "\x85",
    "\u2028",
    "\ufeff",
    "\\.",
]
AWKWARD += ["\\N", "NULL", "null", "=1+1", "-5", "+1,5", "-1.5e3", "@x", "-", "🌳", "שלום", "e\u0301", "\x1a"]
AWKWARD += ["007", "+34600", "1e5", "1234567890123456", "-0012"]
words = texts | st.sampled_from(AWKWARD)
words |= st.builds("".join, st.lists(words, max_size=4))
EDGES = [date(1900, 1, 1), date(1969, 12, 31), date(1972, 1, 7), date(2000, 2, 29), date(9999, 12, 31)]
days = st.dates() | st.sampled_from(EDGES)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)) | st.datetimes(  # noqa: DTZ001 - the zones are added below
    datetime(1880, 1, 1),  # noqa: DTZ001
    datetime(2040, 1, 1),  # noqa: DTZ001
)
# These timestamps are close to clock changes in the time zones below.
CHANGES = ["2024-03-31T00:59:59.999999", "2024-03-31T01:00:00", "2024-10-27T00:30:00", "2024-10-27T01:30:00"]
CHANGES += ["2024-11-03T05:30:00", "2024-11-03T06:30:00", "1972-01-07T00:44:29", "1972-01-07T00:44:30"]
moments |= st.sampled_from([datetime.fromisoformat(text) for text in CHANGES])
ZONES = [
    "UTC",
    "Europe/Madrid",
    "Asia/Kathmandu",
    "America/New_York",
    "Africa/Monrovia",
    "Australia/Lord_Howe",
]
floats = st.floats(allow_nan=False, allow_infinity=False)
json_numbers = st.integers(-(10**20), 10**20) | floats
answers = st.none() | st.booleans() | json_numbers | words
extras = st.recursive(
    answers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
spans = st.timedeltas(timedelta(-(10**6)), timedelta(10**6))
_EVERYWHERE: dict[str, st.SearchStrategy[Any]] = {
    "words": words,
    "code": words,
    "whole": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "price": st.decimals(-(10**9), 10**9, places=2),
    "rate": floats.map(lambda number: number + 0.0),  # SQLite has no negative zero
    "yes": st.booleans(),
    "day": days,
    "hour": st.times(),
    "at": moments.map(lambda moment: moment.replace(tzinfo=UTC)),
    "local_at": moments,
    "uid": st.uuids(version=4),  # MariaDB rejects UUIDs with an unknown version.
    "raw": st.binary(max_size=9),
    "mood": st.sampled_from(MOODS),
    # If a JSON document is only a number, SQLite stores it as a numeric value, so the original text is lost.
    "extra": extras.filter(
        lambda document: isinstance(document, bool) or not isinstance(document, int | float)
    ),
}
_OF_POSTGRESQL: dict[str, st.SearchStrategy[Any]] = {
    "extra": extras,
    "rate": st.floats(),
    "span": spans,
    "padded": st.text("ab =-", max_size=6),
    "small": st.integers(-(2**15), 2**15 - 1),
    "amount": st.decimals(allow_nan=False)
    | st.sampled_from([Decimal("1.50"), Decimal("1E+30"), Decimal("1E-30"), Decimal("-0.0"), Decimal("NaN")]),
    "exact": st.decimals(-(10**20), 10**20, places=15),
    "ratio": st.floats(width=32),
    "zoned_hour": st.times(timezones=st.sampled_from([UTC])),
    "tags": st.lists(st.none() | words, max_size=3),
    "counts": st.lists(st.none() | st.integers(-9, 9), max_size=3),
    "moments": st.lists(moments.map(lambda moment: moment.replace(tzinfo=UTC)), max_size=2),
    "document": extras,
    "host": st.ip_addresses().map(str),
    "numbers": st.builds(Range, st.integers(-9, 0), st.none() | st.integers(1, 9)),
}
_codes = st.sampled_from([code for _, code, _ in CHOICES])
_ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "one": answers | extras | _codes,
        "many": st.lists(extras | _codes | st.just(1), max_size=3) | answers,
        "two words": words,
    },
)
_ANSWER_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "multiple": st.sampled_from(["joined", "columns", "both"]),
        "values": st.sampled_from(["labels", "codes"]),
    },
)


def rows_of(table: Table) -> st.SearchStrategy[list[dict[str, Any]]]:
    kinds = _EVERYWHERE | (_OF_POSTGRESQL if table is of_postgresql else {})
    cells = {name: st.none() | kind for name, kind in kinds.items() if name in table.c}
    return st.lists(st.fixed_dictionaries({**cells, "answers": _ANSWERS}), max_size=5)


@st.composite
def csv_options(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a valid combination of CSV options."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    compression, split_rows = draw(
        st.sampled_from([("none", None), ("gzip", None), ("zip", None), ("zip", 1), ("zip", 2)])
    )
    return {
        "preset": draw(st.sampled_from(["plain", "rfc4180", "excel"])),
        "delimiter": delimiter,
        "lineEnding": draw(st.sampled_from(["lf", "crlf"])),
        "byteOrderMark": draw(st.booleans()),
        "header": draw(st.sampled_from(["labels", "keys", "none"])),
        "decimalMark": draw(st.sampled_from([".", ","])) if delimiter != "," else ".",
        "dateTimes": draw(st.sampled_from(["iso", "local"])),
        "formulaGuard": draw(st.booleans()),
        "textNumbers": draw(st.sampled_from(["keep", "guard"])),
        "compression": compression,
        "splitRows": split_rows,
    }


def requests_of(table: Table) -> st.SearchStrategy[ExportRequest]:
    """Return a strategy for requests with any options, time zone, columns and sort keys."""
    keys = [*REPORTS[table].table_columns, *(f"answers.{key}" for key in QUESTIONS)]
    sortable = [key for key, column in REPORTS[table].table_columns.items() if column.type != "json"]

    def build(**fields: Any) -> ExportRequest:
        return kinds_request(table, **{name: value for name, value in fields.items() if value is not None})

    return st.builds(
        build,
        csv=csv_options(),
        timeZone=st.sampled_from(ZONES),
        columns=st.none() | st.lists(st.sampled_from(keys), min_size=1, unique=True),
        answers=st.none() | _ANSWER_OPTIONS,
        sort=st.sampled_from(["id", "-id", "words,-id", "-price", "at", "-yes,day"]).filter(
            lambda sort: all(part.removeprefix("-") in sortable for part in sort.split(","))
        ),
    )


def table_in(engine: Engine, table: Table) -> Iterator[Engine]:
    """Create the table without rows, yield the engine, and drop the table afterwards.

    Fixtures delegate to this function.
    """
    table.metadata.drop_all(engine)
    table.metadata.create_all(engine)
    yield engine
    table.metadata.drop_all(engine)
    engine.dispose()


def load(engine: Engine, table: Table, rows: list[dict[str, Any]]) -> None:
    """Replace all rows of the table."""
    stored = [{"id": number, **row} for number, row in enumerate(rows, start=1)]
    if engine.dialect.name == "sqlite":  # SQLite stores no time zones
        stored = [{**row, "at": row["at"] and row["at"].replace(tzinfo=None)} for row in stored]
    with engine.begin() as connection:
        connection.execute(delete(table))
        if stored:
            connection.execute(insert(table), stored)
