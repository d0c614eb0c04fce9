"""Build a Pydantic model for the export requests of each report.

The API, the flow and schedules validate requests with these models, and the OpenAPI document is generated
from them.
"""

from datetime import date, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from flows.errors import sentence
from flows.formats.options import without_defaults
from flows.formats.protocol import Format
from flows.formats.registry import FORMATS
from flows.query import date_range
from flows.query.filters.operators import Conditions
from flows.query.questions.options import AnswerOptions
from flows.query.report import Report, SortKey
from flows.query.request_fields import (
    OPTIONS,
    Day,
    LabelLanguage,
    Name,
    TimeZone,
    answers_field,
    chosen_format,
    codebook_field,
    columns_field,
    filter_field,
    format_field,
    one_of,
    options_field,
    read_by,
    scope_field,
    sort_field,
)

# Internal field names have a prefix, because a declared name might clash with an attribute of Pydantic
# models.
_SCOPE, _FILTER = "scope_", "filter_"
_TIME_ZONE = "IANA time zone for day boundaries and for timestamps in the file. Defaults to UTC."
_FROM = "First day, such as 2024-7-19, or a timestamp with an offset."
_TO = "Last day (inclusive), or a timestamp with an offset (exclusive)."
_FILTERS = (
    "Filters by name. A value matches equal rows, a list matches any of its values, and null matches null. "
    "An object of operators matches rows that meet all of its conditions."
)
_COLUMNS = "Keys of the columns to export, in the order they appear in the file. Defaults to all columns."
_SORT = "Column keys, separated by commas. Put `-` before a key to sort in descending order."
_FORMAT = "Output format. Defaults to CSV."
_ANSWERS = "Columns of the answers to questions. Needs a report that declares the choices of its questions."
_CODEBOOK = (
    "Add a codebook, which describes the columns and lists the choices of questions. It is the file "
    "`codebook.csv` in a zip, or a sheet of an Excel workbook."
)
_LABEL_LANGUAGE = (
    "Language of the labels in the file, such as `de`. Labels without a translation, and labels of a request"
    " without this field, are in the default language of the report."
)
_NAME = "Display name of the export. Browsers save the file under this name."


class RequestModel(BaseModel):
    """Base class of request models. Unknown fields are rejected, and null fields are treated as omitted."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, json_schema_extra=without_defaults
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        fields = {field.alias for field in cls.model_fields.values()}
        return {name: item for name, item in value.items() if item is not None or name not in fields}


class FilterModel(BaseModel):
    """Base class of a report's filters.

    In a filter, null is treated as a value. It matches rows in which the column is null.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=without_defaults)

    def values(self) -> dict[str, tuple[Any, ...] | Conditions]:
        """Return the values or conditions of each filter that is set, keyed by filter name."""
        fields = type(self).model_fields
        return {
            str(fields[name].alias): getattr(self, name) for name in fields if name in self.model_fields_set
        }


class ReportRequest(RequestModel):
    """Base class of the generated request models."""

    if TYPE_CHECKING:
        time_zone: ZoneInfo | None
        from_: date | datetime
        to: date | datetime
        filters: FilterModel | None
        columns: tuple[str, ...] | None
        sort: tuple[SortKey, ...] | None
        format: Format | None
        codebook: bool | None
        label_language: str | None
        name: str | None

    @property
    def scope(self) -> dict[str, str]:
        fields = type(self).model_fields.items()
        return {str(field.alias): getattr(self, name) for name, field in fields if name.startswith(_SCOPE)}

    @property
    def answer_options(self) -> AnswerOptions:
        return getattr(self, "answers", None) or AnswerOptions()

    @property
    def format_and_options(self) -> tuple[Format, Any]:
        format_ = chosen_format(self.format)
        options = getattr(self, f"{OPTIONS}{format_.name}")
        options = format_.parse_options(None) if options is None else options
        return format_, format_.with_codebook(options) if self.codebook else options


def request_model(report: Report, dates: bool = True) -> type[ReportRequest]:
    """Return the model that validates requests for the report.

    If `dates` is false, requests must not contain dates. This is used for schedules, because their dates are
    computed for each run.
    """
    cached = "request_model" if dates else "scheduled_request_model"
    if cached not in vars(report):
        vars(report)[cached] = _model(report, dates)
    model: type[ReportRequest] = vars(report)[cached]
    return model


@cache
def any_report_model(dates: bool = True) -> type[ReportRequest]:
    """Return the model that validates requests whose report is unknown.

    The model rejects the `report` field. It also validates the fields that all reports have in common, so
    that errors in these fields are reported together with the error about the unknown report.
    """
    fields = _fields({}, _optional_dates() if dates else _no_dates())
    fields |= {
        "report": (
            read_by(_refuse_report, {"type": ["string", "null"]}),
            _report_field("the default report", validate_default=True),
        ),
        "filters": (dict[str, Any] | None, Field(None, description=_FILTERS)),
        "columns": (list[str] | None, Field(None, description=_COLUMNS, min_length=1)),
        "sort": (str | None, Field(None, description=_SORT)),
        "answers": (answers_field() | None, Field(None, description=_ANSWERS)),
    }
    name = "ExportRequest" if dates else "ScheduledRequest"
    description = "In addition to these fields, pass the ids that scope the report, such as `surveyId`."
    config = ConfigDict(extra="allow")
    base = type("Base", (ReportRequest,), {"model_config": config, "__module__": __name__})
    return create_model(name, __base__=base, __doc__=description, **fields)


def type_stem(report: Report) -> str:
    """Convert a report's name to a prefix for type names.

    For example, survey-responses becomes `SurveyResponses`.
    """
    return "".join(word.capitalize() for word in report.name.split("-"))


def _model(report: Report, dates: bool) -> type[ReportRequest]:
    name: Any = one_of([report.name])
    fields = _fields(
        {
            f"{_SCOPE}{number}": (scope_field(scope), Field(alias=name, description=scope.label))
            for number, (name, scope) in enumerate(report.scope.items())
        },
        (_dates(report) if report.period is not None else {}) if dates else _no_dates(),
    )
    fields |= {
        "report": (name | None, _report_field(report.name)) if report.is_default else (name, Field()),
        "filters": (_filters(report) | None, Field(None, description=_FILTERS)),
        "columns": (columns_field(report) | None, Field(None, description=_COLUMNS)),
        "sort": (sort_field(report) | None, Field(None, description=_SORT)),
    }
    if report.questions is not None and report.questions.choices is not None:
        fields["answers"] = (answers_field() | None, Field(None, description=_ANSWERS))
    type_name = type_stem(report) + ("ExportRequest" if dates else "ScheduledRequest")
    return create_model(type_name, __base__=ReportRequest, __doc__=report.title, **fields)


def _fields(scope: dict[str, Any], dates: dict[str, Any]) -> dict[str, Any]:
    """Return the fields in the order in which they are validated.

    The time zone comes first because it is needed to parse the dates.
    """
    return {
        "report": None,
        "time_zone": (TimeZone | None, Field(None, description=_TIME_ZONE)),
        **scope,
        **dates,
        **dict.fromkeys(("filters", "columns", "sort")),
        "format": (format_field() | None, Field(None, description=_FORMAT)),
        **{
            f"{OPTIONS}{name}": (
                options_field(format_) | None,
                Field(None, alias=name, description=format_.options_description),
            )
            for name, format_ in FORMATS.items()
        },
        "codebook": (codebook_field() | None, Field(None, description=_CODEBOOK)),
        "label_language": (LabelLanguage | None, Field(None, description=_LABEL_LANGUAGE)),
        "name": (Name | None, Field(None, description=_NAME)),
    }


def _report_field(default: str, **options: Any) -> Any:
    return Field(None, description=f"Defaults to {default}.", **options)


def _dates(report: Report) -> dict[str, Any]:
    last = Annotated[Day, AfterValidator(partial(_check_period, report))]
    return {"from_": (Day, Field(alias="from", description=_FROM)), "to": (last, Field(description=_TO))}


def _optional_dates() -> dict[str, Any]:
    first = Field(None, alias="from", description=_FROM)
    return {"from_": (Day | None, first), "to": (Day | None, Field(None, description=_TO))}


def _no_dates() -> dict[str, Any]:
    refused = SkipJsonSchema[Annotated[Any, PlainValidator(_refuse_date)]]
    return {"from_": (refused, Field(None, alias="from")), "to": (refused, Field(None))}


def _filters(report: Report) -> type[FilterModel]:
    fields: dict[str, Any] = {
        f"{_FILTER}{number}": (filter_field(filter_), Field(None, alias=name, description=filter_.label))
        for number, (name, filter_) in enumerate(report.filter_columns.items())
    }
    return create_model(f"{type_stem(report)}Filters", __base__=FilterModel, **fields)


def _check_period(report: Report, end: date | datetime, info: ValidationInfo) -> date | datetime:
    if not {"from_", "time_zone"} <= info.data.keys():
        return end  # An error in `from` or `timeZone` is reported separately.
    try:
        period = date_range.resolve(info.data["from_"], end, info.data["time_zone"] or ZoneInfo("UTC"))
    except ValueError as error:
        raise PydanticCustomError("range", "{text}", {"text": sentence(error)}) from None
    if report.max_days is not None and round(period.days) > report.max_days:
        detail = "An export of this report covers at most {days} days. Choose a shorter range."
        raise PydanticCustomError("range", detail, {"days": report.max_days})
    return end


def _refuse_date(value: object) -> None:
    raise PydanticCustomError("unknown", "Set the dates of each run with `range`.")


def _refuse_report(value: object, info: ValidationInfo) -> None:
    assert info.context is not None  # noqa: S101 - parse_request passes the reports
    if not (reports := info.context["reports"]):
        raise PydanticCustomError("unknown", "No report has been declared.")
    code, reason = ("missing", "Name a report.") if value is None else ("unknown", "Unknown report.")
    names = ", ".join(sorted(reports))
    raise PydanticCustomError(code, f"{reason} Choose from: {{names}}.", {"names": names})


_UNKNOWN_REPORT = read_by(_refuse_report, {"type": ["string", "null"]})
