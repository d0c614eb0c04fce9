"""Validate export requests. The API, the flow and schedules all use this module."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from flows.errors import FieldError, InvalidRequest
from flows.formats.csv.options import CsvOptions
from flows.formats.protocol import Format
from flows.query import date_range
from flows.query.date_range import DateRange
from flows.query.field_errors import Location, field_errors
from flows.query.filters.operators import Conditions
from flows.query.questions.options import AnswerOptions
from flows.query.report import ALL_VALUES, DEFAULT_REPORT, Report, SortKey
from flows.query.request_model import ReportRequest, any_report_model, request_model
from flows.rows.local_text import in_languages

MAX_FILE_NAME_LENGTH = 200


@dataclass(frozen=True)
class ExportRequest:
    """A validated request.

    `filters` maps each filter name either to conditions or to a tuple of values to match. A None in the tuple
    matches null.
    """

    report: Report
    scope: Mapping[str, str]
    period: DateRange | None
    filters: Mapping[str, tuple[Any, ...] | Conditions]
    columns: tuple[str, ...] | None
    sort: tuple[SortKey, ...]
    zone: ZoneInfo
    format: Format
    options: Any
    answers: AnswerOptions
    codebook: bool
    name: str | None
    body: Mapping[str, Any]
    label_language: str | None = None

    @property
    def fingerprint(self) -> str:
        """A hash that is the same for all requests that produce the same file."""
        content = {
            "report": self.report.name,
            "scope": dict(self.scope),
            "period": self.period and [self.period.start, self.period.end, *self.period.dates],
            "filters": {name: _normalized(values) for name, values in self.filters.items()},
            "columns": self.columns,
            "sort": [str(key) for key in self.sort],
            "zone": self.zone.key,
            "format": self.format.name,
            "options": {
                name: value for name, value in asdict(self.options).items() if not _is_later(name, value)
            },
            "name": self.name,
        }
        if self.needs_choices:
            content["answers"] = {**asdict(self.answers), "codebook": self.codebook}
        if self.label_language is not None:
            content["labelLanguage"] = self.label_language
        if self.report.masked is not None:
            content["masked"] = sorted(self.report.masked)
        if restrictions := _row_restrictions(self.report):
            content["rights"] = restrictions
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def needs_choices(self) -> bool:
        """Return whether the file contains the choices of questions, or columns that depend on them."""
        return self.codebook or self.answers != AnswerOptions()

    def file_name(self, rows: int) -> str:
        """Return the file name with its extension. The extension may depend on the number of rows."""
        return f"{self.file_stem}.{self.format.extension(self.options, rows)}"

    @property
    def title(self) -> str:
        """The title of the report, in the language of the labels."""
        return in_languages(self.report.title, [self.label_language] if self.label_language else [])

    @property
    def copy_options(self) -> CsvOptions | None:
        """The CSV options for PostgreSQL's COPY, or None if the file is written from typed chunks."""
        return None if self.report.transform else self.format.copy_options(self.options)

    @property
    def file_stem(self) -> str:
        """The file name without its extension, such as `survey-responses_668b…_2024-07-19_2024-07-26`.

        It contains only ASCII characters.
        """
        days = [_day_text(self.body[key]) for key in ("from", "to") if key in self.body]
        stem = "_".join([self.report.name, *self.scope.values(), *days])
        return re.sub(r"[^A-Za-z0-9._-]", "-", stem)[:MAX_FILE_NAME_LENGTH]


def _is_later(option: str, value: Any) -> bool:
    """Return whether to omit an option from the fingerprint.

    Options that were added later must not change the fingerprints of older requests.
    """
    return option == "codebook" or (option, value) == ("text_numbers", "keep")


def _row_restrictions(report: Report) -> dict[str, tuple[str, ...]]:
    """Return the allowed values of each claim that restricts the rows.

    Claims that restrict only a scope are omitted, because the request already contains the scope's value.
    """
    names = {*report.claims, *report.session_claims.values()}
    restricted = {name: values for name, values in report.rights.items() if ALL_VALUES not in values}
    return {name: values for name, values in restricted.items() if name in names}


def _normalized(values: tuple[Any, ...] | Conditions) -> list[str] | dict[str, list[str]]:
    if isinstance(values, Conditions):
        conditions = values.by_operator.items()
        return {name: _unordered(value if name == "not" else (value,)) for name, value in conditions}
    return _unordered(values)


def _unordered(values: tuple[Any, ...]) -> list[str]:
    """Sort the values and drop duplicates. Neither order nor repetition changes what a filter matches."""
    return sorted({json.dumps(value, default=_plain_text) for value in values})


def _plain_text(value: Any) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _day_text(text: str) -> str:
    day = date_range.parse_date_or_timestamp(text)
    return f"{day:%Y-%m-%dT%H%M%SZ}" if isinstance(day, datetime) else day.isoformat()


def parse_request(body: object, reports: Mapping[str, Report]) -> ExportRequest:
    """Validate a decoded JSON body.

    Raises InvalidRequest with all errors in the body.
    """
    report = requested_report(body, reports)
    try:
        model = any_report_model() if report is None else request_model(report)
        values = model.model_validate(body, context={"reports": reports})
    except ValidationError as error:
        raise InvalidRequest(request_errors(error, report)) from None
    assert report is not None  # noqa: S101 - any_report_model() rejects every report
    return export_request(report, values, body)


def requested_report(body: object, reports: Mapping[str, Report]) -> Report | None:
    """Return the report that the body names, or None if there is no such report.

    If the body names no report, return the default report.
    """
    name = body.get("report") if isinstance(body, dict) else None
    if name is None:
        return default_report(reports)
    return reports.get(name) if isinstance(name, str) else None


def default_report(reports: Mapping[str, Report]) -> Report | None:
    return next((report for report in reports.values() if report.is_default), None)


def parse_stored_request(body: Mapping[str, Any], reports: Mapping[str, Report]) -> ExportRequest:
    """Parse a body returned by `stored_body`.

    A body that names no report refers to DEFAULT_REPORT if that report exists.
    """
    return replace(parse_request(_with_name(body, reports), reports), body=body)


def stored_report(body: Mapping[str, Any], reports: Mapping[str, Report]) -> Report | None:
    """Return the report that a stored body refers to, or None if the report no longer exists."""
    return requested_report(_with_name(body, reports), reports)


def _with_name(body: Mapping[str, Any], reports: Mapping[str, Report]) -> Mapping[str, Any]:
    return {"report": DEFAULT_REPORT, **body} if DEFAULT_REPORT in reports else body


def stored_body(report: Report, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body for storage.

    Nulls are removed, and the report's name is added unless it is DEFAULT_REPORT. The stored body therefore
    refers to the same report even if the default report changes.
    """
    values = {key: value for key, value in body.items() if value is not None}
    return values if report.name == DEFAULT_REPORT else {"report": report.name, **values}


def request_errors(error: ValidationError, report: Report | None) -> list[FieldError]:
    return field_errors(error.errors(include_url=False), partial(_unknown_field, report))


def export_request(report: Report, values: ReportRequest, body: Any) -> ExportRequest:
    zone = values.time_zone or ZoneInfo("UTC")
    has_period = report.period is not None
    format_, options = values.format_and_options
    return ExportRequest(
        report=report,
        scope=values.scope,
        zone=zone,
        period=date_range.resolve(values.from_, values.to, zone) if has_period else None,
        filters=values.filters.values() if values.filters is not None else {},
        columns=values.columns,
        sort=values.sort if values.sort is not None else report.default_sort,
        format=format_,
        options=options,
        answers=values.answer_options,
        codebook=bool(values.codebook),
        name=values.name,
        body=stored_body(report, body),
        label_language=values.label_language,
    )


def _unknown_field(report: Report | None, location: Location) -> str | None:
    if report is not None and location[0] == "answers":
        return "The report does not declare the choices of questions."
    if report is None or location[0] != "filters":
        return None
    return f"Unknown filter. Choose from: {', '.join(report.filter_columns) or 'none'}."
