"""Response models of tables and reports."""

from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from api.tables.languages import Languages
from api.tables.table_query import MAX_PAGE_SIZE
from api.web.answer import Answer, Count, NextCursor
from flows.formats.csv.options import CHOICES, PRESETS
from flows.formats.registry import FORMATS
from flows.query.report import Filter, Report, TableColumn
from flows.query.report_parts import label_of
from flows.reports import BrokenReport
from flows.rows.columns import OutputColumn, type_name
from flows.rows.local_text import in_languages

ColumnType = TypeAliasType(
    "ColumnType",
    Literal["string", "boolean", "integer", "number", "date", "date-time", "time", "uuid", "json"],
)


class Column(Answer):
    key: str = Field(examples=["submittedAt"])
    label: str = Field(examples=["Submitted at"])
    type: ColumnType

    @classmethod
    def of(cls, column: OutputColumn, languages: Languages) -> "Column":
        return cls(key=column.key, label=in_languages(column.label, languages), type=column.type)


class TablePageColumn(Column):
    sortable: bool

    @classmethod
    def of_table(cls, column: OutputColumn, sortable: bool, languages: Languages) -> "TablePageColumn":
        label = in_languages(column.label, languages)
        return cls(key=column.key, label=label, type=column.type, sortable=sortable)


class TablePage(Answer):
    items: list[dict[str, Any]] = Field(description="Rows, keyed by column.")
    page: Count | None = Field(description="Page number, or null if the request contained a cursor.")
    page_size: Count
    total: Count
    columns: list[TablePageColumn]
    next_cursor: NextCursor


class ReportParameter(Answer):
    name: str = Field(examples=["surveyId"])
    label: str
    type: Literal["string", "date"]
    required: bool
    pattern: str | None = None
    choices: str | None = Field(
        None, description="Path that lists the values and their titles, or null if they cannot be listed."
    )


class ReportFilter(Answer):
    name: str = Field(examples=["utm"])
    label: str
    type: ColumnType
    choices: list[Any] | None
    operators: list[str] = Field(description="Operators that requests may use.", examples=[["not", "null"]])


class ReportColumn(Column):
    pii: bool = Field(description="True if the column contains personal data.")
    masked: bool
    sortable: bool


class ReportLimits(Answer):
    max_days: Count | None
    max_rows: Count | None
    max_page_size: Count


class ReportType(Answer):
    name: str = Field(examples=["survey-responses"])
    title: str
    default: bool = Field(description="Whether requests that name no report get this one.")
    parameters: list[ReportParameter]
    filters: list[ReportFilter]
    columns: list[ReportColumn]
    default_sort: str | None
    questions: bool = Field(description="True if the report also has a column for each question.")
    choices: bool = Field(description="True if requests may contain `answers`.")
    limits: ReportLimits


class CsvChoices(Answer):
    presets: list[str]
    headers: list[str]


class FormatChoice(Answer):
    name: str = Field(examples=["jsonl"])
    label: str = Field(examples=["JSON Lines"])


class DisabledReport(Answer):
    name: str = Field(examples=["flights"])
    reason: str = Field(
        description="File and reason.", examples=["flights.py: The database has no table flights."]
    )

    @classmethod
    def of(cls, report: BrokenReport) -> "DisabledReport":
        return cls(name=report.name, reason=str(report))


class ReportTypes(Answer):
    items: list[ReportType]
    disabled: list[DisabledReport] = Field(
        description="Broken reports and the reasons. Empty for callers with limited rights."
    )
    formats: list[FormatChoice] = Field(description="Formats of a file. The first one is the default.")
    csv: CsvChoices
    note: str | None = Field(None, description="How to write the first report, if none has been declared.")


class Choice(Answer):
    value: str = Field(examples=["668b6fa3b8d693cd865b44bb"])
    title: str = Field(examples=["Open day: how was your visit?"])


class ChoiceList(Answer):
    items: list[Choice]
    more: bool = Field(description="True if there are more matches than `limit`. Narrow the search.")


FORMAT_CHOICES = [FormatChoice(name=format_.name, label=format_.label) for format_ in FORMATS.values()]
CSV_CHOICES = CsvChoices(presets=list(PRESETS), headers=list(CHOICES["header"]))


def report_type_answer(report: Report, languages: Languages) -> ReportType:
    """Describe the report in the client's preferred languages.

    Each title and label is in the most preferred language for which it has a translation. If there is no such
    translation, it is in its default language.
    """
    return ReportType(
        name=report.name,
        title=in_languages(report.title, languages),
        default=report.is_default,
        parameters=_parameters(report, languages),
        filters=[_filter(name, filter_, languages) for name, filter_ in report.filter_columns.items()],
        columns=[_column(column, report, languages) for column in report.table_columns.values()],
        default_sort=report.sort or None,
        questions=report.questions is not None,
        choices=report.questions is not None and report.questions.choices is not None,
        limits=ReportLimits(max_days=report.max_days, max_rows=report.max_rows, max_page_size=MAX_PAGE_SIZE),
    )


def _parameters(report: Report, languages: Languages) -> list[ReportParameter]:
    parameters = [
        ReportParameter(
            name=name,
            label=in_languages(scope.label or label_of(name), languages),
            type="string",
            pattern=scope.pattern,
            required=True,
            choices=f"/report-types/{report.name}/choices/{name}" if scope.title is not None else None,
        )
        for name, scope in report.scope.items()
    ]
    dates = ("from", "to") if report.period is not None else ()
    return parameters + [
        ReportParameter(name=name, label=name.capitalize(), type="date", required=True) for name in dates
    ]


def _filter(name: str, filter_: Filter, languages: Languages) -> ReportFilter:
    choices = filter_.known_choices
    return ReportFilter(
        name=name,
        label=in_languages(filter_.label or label_of(name), languages),
        type=type_name(filter_.column.type),
        choices=list(choices) if choices is not None else None,
        operators=list(filter_.allowed_operators),
    )


def _column(column: TableColumn, report: Report, languages: Languages) -> ReportColumn:
    return ReportColumn(
        key=column.key,
        label=in_languages(column.label, languages),
        type=column.type,
        pii=column.pii,
        masked=column.key in (report.masked or ()),
        sortable=column.key in report.sortable,
    )
