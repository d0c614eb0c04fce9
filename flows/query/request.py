"""ExportRequest: what a caller may ask, validated once. Both the API and the flow read requests here."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from flows.errors import FieldError, InvalidRequest
from flows.formats.csv_options import PRESETS, Dialect, InvalidOption, parse_dialect
from flows.query import date_range
from flows.query.date_range import DateRange
from flows.query.filter_values import parse_filter_value
from flows.query.report import DEFAULT_REPORT, Report, SortKey, camel_case, parse_sort

MAX_ANY_OF = 1000
MAX_NAME_LENGTH = 200
MAX_FILE_NAME_LENGTH = 200
QUESTION_SEPARATOR = "."


@dataclass(frozen=True)
class ExportRequest:
    """`filters` holds per name the values that match, None standing for null."""

    report: Report
    scope: Mapping[str, str]
    period: DateRange | None
    filters: Mapping[str, tuple[Any, ...]]
    columns: tuple[str, ...] | None
    sort: tuple[SortKey, ...]
    zone: ZoneInfo
    dialect: Dialect
    name: str | None
    body: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """The same for two requests that ask for the same file, however they were written."""
        content = {
            "report": self.report.name,
            "scope": dict(self.scope),
            "period": self.period and asdict(self.period),
            "filters": {name: _in_one_order(values) for name, values in self.filters.items()},
            "columns": self.columns,
            "sort": [str(key) for key in self.sort],
            "zone": self.zone.key,
            "dialect": asdict(self.dialect),
            "name": self.name,
        }
        if self.report.masked is not None:
            content["masked"] = sorted(self.report.masked)
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def file_name(self, rows: int) -> str:
        """With its extension, which may hang on how many rows there are."""
        return f"{self.file_stem}.{self.dialect.stored_as(rows)}"

    @property
    def file_stem(self) -> str:
        """ASCII and safe on every system: `survey-responses_668b…_2024-07-19_2024-07-26`."""
        days = [_day_text(self.body[key]) for key in ("from", "to") if key in self.body]
        stem = "_".join([self.report.name, *self.scope.values(), *days])
        return re.sub(r"[^A-Za-z0-9._-]", "-", stem)[:MAX_FILE_NAME_LENGTH]


def _in_one_order(values: tuple[Any, ...]) -> list[str]:
    """Any of several values is the same whatever their order, and however often one is named."""
    return sorted({json.dumps(value, default=_plain_text) for value in values})


def _plain_text(value: Any) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _day_text(text: str) -> str:
    moment = date_range.parse_moment(text)
    return f"{moment:%Y-%m-%dT%H%M%SZ}" if isinstance(moment, datetime) else moment.isoformat()


def parse_request(body: object, reports: Mapping[str, Report]) -> ExportRequest:
    """Reads a decoded JSON body; raises InvalidRequest with every mistake that was found."""
    if not isinstance(body, dict):
        raise InvalidRequest([FieldError("", "type", "The body must be a JSON object.")])
    report = _report(body, reports)
    reader = _Reader(body)
    reader.refuse_unknown({*_OPTIONS, *report.scope, *(("from", "to") if report.period is not None else ())})
    request = ExportRequest(
        report=report,
        scope={name: reader.scope(name, report) for name in report.scope},
        zone=(zone := reader.read("timeZone", date_range.parse_zone, ZoneInfo("UTC"))),
        period=reader.period(report, zone) if report.period is not None else None,
        filters=reader.filters(report),
        columns=reader.read("columns", lambda value: _columns(value, report), None),
        sort=reader.read("sort", lambda value: _sort(value, report), report.default_sort),
        dialect=reader.dialect(),
        name=reader.read("name", _name, None),
        body={key: value for key, value in body.items() if value is not None},
    )
    if reader.errors:
        raise InvalidRequest(reader.errors)
    return request


_OPTIONS = ("report", "filters", "columns", "sort", "timeZone", "csv", "name")


def _report(body: dict[str, Any], reports: Mapping[str, Report]) -> Report:
    name = DEFAULT_REPORT if body.get("report") is None else body["report"]
    if isinstance(name, str) and name in reports:
        return reports[name]
    known = ", ".join(sorted(reports))
    raise InvalidRequest([FieldError("/report", "unknown", f"There is no such report; there are {known}.")])


class _Reader:
    """Reads one field after the other and keeps the mistakes; a field with one reads as its default."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.errors: list[FieldError] = []

    def refuse_unknown(self, known: set[str]) -> None:
        for name in self.body:
            if name not in known:
                self.refuse(name, "unknown", "There is no such field.")

    def refuse(self, name: str, code: str, detail: str, under: str = "") -> None:
        escaped = name.replace("~", "~0").replace("/", "~1")
        self.errors.append(FieldError(f"{under}/{escaped}", code, detail))

    def read(self, name: str, parse: Callable[[Any], Any], default: Any) -> Any:
        value = self.body.get(name)
        if value is None:
            return default
        try:
            return parse(value)
        except ValueError as error:
            self.refuse(name, "invalid", _sentence(error))
            return default

    def dialect(self) -> Dialect:
        try:
            return parse_dialect(self.body.get("csv"))
        except InvalidOption as error:
            place = ("csv", "") if error.option is None else (error.option, "/csv")
            self.refuse(place[0], "invalid", _sentence(error), place[1])
            return PRESETS["plain"]

    def scope(self, name: str, report: Report) -> str:
        value = self.body.get(name)
        if value is None:
            self.refuse(name, "missing", "This report needs it.")
        elif not isinstance(value, str) or not report.scope[name].matches(value):
            self.refuse(name, "format", "It does not look like an id of this kind.")
        else:
            return value
        return ""

    def period(self, report: Report, zone: ZoneInfo) -> DateRange | None:
        start, end = self._moment("from"), self._moment("to")
        if start is None or end is None:
            return None
        try:
            period = date_range.resolve(start, end, zone)
        except ValueError as error:
            self.refuse("to", "range", _sentence(error))
            return None
        if report.max_days is not None and round(period.days) > report.max_days:
            self.refuse("to", "range", f"At most {report.max_days} days fit into one export of this report.")
        return period

    def _moment(self, name: str) -> date | datetime | None:
        if self.body.get(name) is None:
            self.refuse(name, "missing", "This report needs it.")
            return None
        moment: date | datetime | None = self.read(name, date_range.parse_moment, None)
        return moment

    def filters(self, report: Report) -> dict[str, tuple[Any, ...]]:
        given = self.body.get("filters")
        if given is None:
            return {}
        if not isinstance(given, dict):
            self.refuse("filters", "type", "It must be an object of filters.")
            return {}
        return {name: self._filter(name, value, report) for name, value in given.items()}

    def _filter(self, name: str, value: object, report: Report) -> tuple[Any, ...]:
        if name not in report.filter_columns:
            known = ", ".join(report.filter_columns) or "none"
            self.refuse(name, "unknown", f"There is no such filter; there are {known}.", "/filters")
            return ()
        values = value if isinstance(value, list) else [value]
        if not 0 < len(values) <= MAX_ANY_OF:
            self.refuse(name, "length", f"A list must hold 1 to {MAX_ANY_OF} values.", "/filters")
            return ()
        try:
            return tuple(parse_filter_value(each, report.filter_columns[name]) for each in values)
        except ValueError as error:
            self.refuse(name, "invalid", _sentence(error), "/filters")
            return ()


def _sentence(error: ValueError) -> str:
    """Names such as splitRows stay as callers write them."""
    text = str(error)
    first = text.partition(" ")[0]
    return f"{text[:1].upper()}{text[1:]}." if first.islower() else f"{text}."


def _columns(value: object, report: Report) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(key, str) for key in value):
        raise ValueError("must be a list of column keys, one at least")
    for key in value:
        if key not in report.table_columns and not names_question(key, report):
            raise ValueError(f"there is no column {key!r}; there are {', '.join(report.table_columns)}")
    if len(set(value)) < len(value):
        raise ValueError("names a column twice")
    return tuple(value)


def questions_key(report: Report) -> str | None:
    """The key that stands for all question columns, such as `answers`."""
    return camel_case(str(report.questions.answers.key)) if report.questions is not None else None


def names_question(key: str, report: Report) -> bool:
    """Whether `key` is `answers` or `answers.<question>`; only the database knows which questions exist."""
    group = questions_key(report)
    return group is not None and (key == group or key.startswith(group + QUESTION_SEPARATOR))


def _sort(value: object, report: Report) -> tuple[SortKey, ...]:
    if not isinstance(value, str):
        raise ValueError("must be a column's key, with - before it for descending")
    return parse_sort(value, report)


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not value.isprintable():
        raise ValueError(f"must be a line of 1 to {MAX_NAME_LENGTH} printable characters")
    return value
