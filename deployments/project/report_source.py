"""Generate the source code of a report for a reflected table or view."""

import json
import keyword
import re
from collections.abc import Iterable, Iterator
from textwrap import shorten
from typing import Any

from sqlalchemy import types as sql
from sqlalchemy.dialects import mysql
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from deployments.project.reflection import Reflected, is_boolean, is_personal
from flows.query.report import RESERVED, camel_case

MAX_LISTED_LENGTH = 48

HEAD = '''"""Report that lists {title}. Written by `report-exports new`; edit it as you like."""

from sqlalchemy import {imports}

from flows.reports import {parts}

{table} = Table(
    {name},
    MetaData(),
{columns}{schema})

REPORT = Report(
    name={report},
    title={title_text},
    # The columns of the file, in order. Remove the columns that you do not need.
    select=select(
{selected}    ),
    # Unique and never null. `report-exports check` verifies it.
    key={key},
{more})
'''


def report_source(reflected: Reflected, name: str, keys: list[str], database: str = "") -> str:
    """Return the source code of a report for the table or view.

    `keys` contains the names of the columns that identify a row. `database` is a name in REPORTS_DATABASES.
    """
    return _Writer(reflected, name, keys, database).text()


class _Writer:
    def __init__(self, reflected: Reflected, name: str, keys: list[str], database: str) -> None:
        self._reflected, self._name, self._keys, self._database = reflected, name, keys, database
        self._table = identifier(reflected.name)
        self._aliases = _aliases([one["name"] for one in reflected.columns])
        self._imports = {"Column", "MetaData", "Table", "select"}
        self._parts = {"Report"}

    def text(self) -> str:
        reflected = self._reflected
        title = re.sub(r"[\W_]+", " ", reflected.name).strip() or "rows"
        columns = "".join(f"    {line}\n" for line in self._columns())
        selected = "".join(f"        {line},\n" for line in self._selected())
        more, key = "".join(f"    {line}\n" for line in self._more()), self._key()
        schema = f"    schema={_quote(reflected.schema)},\n" if reflected.schema else ""
        return HEAD.format(
            title=title,
            imports=", ".join(sorted(self._imports, key=lambda name: (name.islower(), name))),
            parts=", ".join(sorted(self._parts)),
            table=self._table,
            name=_quote(reflected.name),
            columns=columns,
            schema=schema,
            report=_quote(self._name),
            title_text=_quote(title.capitalize()),
            selected=selected,
            key=key,
            more=more,
        )

    def _columns(self) -> Iterator[str]:
        for one in self._reflected.columns:
            name, alias = one["name"], self._aliases[one["name"]]
            options = [f"key={_quote(alias)}"] if alias != name else []
            if [name] == self._keys:
                options.append("primary_key=True")
            elif name in self._keys or not one["nullable"]:
                options.append("nullable=False")
            yield f"Column({', '.join([_quote(name), self._type(one['type']), *options])}),"

    def _type(self, kind: Any) -> str:
        code, *names = _type_code(kind)
        self._imports.update(names)
        return code

    def _selected(self) -> Iterator[str]:
        for one in self._reflected.columns:
            name = one["name"]
            if _is_known(one["type"]):
                yield self._column(name)
            else:
                self._imports |= {"Text", "cast"}
                yield f"cast({self._column(name)}, Text).label({_quote(self._aliases[name])})"

    def _column(self, name: str) -> str:
        return _access(self._table, self._aliases[name])

    def _key(self) -> str:
        if len(self._keys) == 1:
            return self._column(self._keys[0])
        self._imports |= {"String", "cast"}
        return ' + "-" + '.join(f"cast({self._column(name)}, String)" for name in self._keys)

    def _more(self) -> Iterator[str]:
        if self._database:
            yield f"database={_quote(self._database)},"
        yield from self._period()
        yield from self._filters()
        yield from self._headings()

    def _period(self) -> Iterator[str]:
        name = self._reflected.period
        if name is None:
            return
        yield "# Every request must contain a first and a last day. Remove it to export all rows."
        if next(one["nullable"] for one in self._reflected.columns if one["name"] == name):
            yield "# Rows in which it is null are never exported."
        yield f"period={self._column(name)},"
        if name in self._reflected.indexed and [name] != self._keys:
            yield f"sort={_quote('-' + camel_case(self._aliases[name]))},"

    def _filters(self) -> Iterator[str]:
        names = [name for name in self._reflected.filters if camel_case(self._aliases[name]) not in RESERVED]
        if not names:
            return
        yield "# Conditions that callers can use."
        yield "filters={"
        for name in names:
            values = self._reflected.choices.get(name, [])
            hint = f"  # values: {_listed(values)}" if values else ""
            yield f"    {_quote(camel_case(self._aliases[name]))}: {self._column(name)},{hint}"
        yield "},"

    def _headings(self) -> Iterator[str]:
        personal = [one["name"] for one in self._reflected.columns if is_personal(one["name"])]
        personal = [name for name in personal if name not in self._keys]
        if not personal:
            return
        self._parts.add("Heading")
        yield "# Personal data, guessed from the names of the columns. Please confirm."
        yield "headings={"
        for name in personal:
            yield f"    {_quote(camel_case(self._aliases[name]))}: Heading(pii=True),"
        yield "},"


_TYPES: tuple[tuple[type[Any], str], ...] = (
    (sql.BigInteger, "BigInteger"),
    (sql.Integer, "Integer"),
    (mysql.BIT, "Integer"),
    (mysql.YEAR, "Integer"),
    (sql.Double, "Double"),
    (sql.Float, "Double"),
    (sql.Date, "Date"),
    (sql.Time, "Time"),
    (sql.JSON, "JSON"),
    (sql.Uuid, "Uuid"),
    (sql.LargeBinary, "LargeBinary"),
)


def _type_code(kind: Any) -> tuple[str, ...]:
    """Return the source code for a column type, followed by the names to import for it."""
    if is_boolean(kind):
        return "Boolean", "Boolean"
    if isinstance(kind, sql.Enum):
        name = f", name={_quote(kind.name)}" if kind.name else ""
        return f"Enum({', '.join(map(_quote, kind.enums))}{name})", "Enum"
    if isinstance(kind, sql.DateTime):
        return ("DateTime(timezone=True)" if kind.timezone else "DateTime"), "DateTime"
    if isinstance(kind, sql.Numeric) and not isinstance(kind, sql.Float):
        size = f"({kind.precision}, {kind.scale})" if kind.precision is not None else ""
        return f"Numeric{size}", "Numeric"
    name = next((name for base, name in _TYPES if isinstance(kind, base)), "Text")
    return name, name


def _is_known(kind: Any) -> bool:
    others = (sql.String, sql.Enum, sql.DateTime, sql.Numeric, sql.Boolean, sql.NullType)
    return isinstance(kind, (*others, *(base for base, _ in _TYPES)))


def identifier(name: str) -> str:
    """Convert the name to a lower-case Python identifier."""
    text = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "table"
    text = f"_{text}" if text[0].isdigit() else text
    return f"{text}_" if keyword.iskeyword(text) or text in _USED else text


_USED = {"select", "cast", "report", "table"}


def _aliases(names: list[str]) -> dict[str, str]:
    """Map each column name to a unique identifier. If possible, this is the name itself."""
    aliases: dict[str, str] = {}
    for name in names:
        is_plain = name.isidentifier() and name.isascii() and name[0] != "_"
        alias = name if is_plain else re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "column"
        alias = f"c{alias}" if not alias[0].isalpha() else alias
        while camel_case(alias) in map(camel_case, aliases.values()):
            alias += "_2"
        aliases[name] = alias
    return aliases


def _access(table: str, alias: str) -> str:
    is_attribute = alias.isidentifier() and not keyword.iskeyword(alias)
    return f"{table}.c.{alias}" if is_attribute and alias not in _METHODS else f"{table}.c[{_quote(alias)}]"


# Attributes of SQLAlchemy's column collection. Columns with these names can only be accessed with `[]`.
_METHODS = frozenset(name for name in dir(ReadOnlyColumnCollection) if not name.startswith("__"))


def _quote(text: str | None) -> str:
    return json.dumps(text, ensure_ascii=False)


def names_of(reflected: Reflected) -> Iterable[str]:
    return (one["name"] for one in reflected.columns)


def _listed(values: list[str]) -> str:
    """Return the values in one line. If the line would be too long, it ends with an ellipsis."""
    return shorten(", ".join(values), MAX_LISTED_LENGTH, placeholder=" …")
