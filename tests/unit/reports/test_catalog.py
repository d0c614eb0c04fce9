"""Test how reports are loaded, and check every report in the catalog."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import ClauseElement
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite

from flows import reports
from flows.errors import DeclarationError, FieldError, InvalidRequest
from flows.query import statement
from flows.query.questions.keys import questions_key
from flows.query.report import DEFAULT_REPORT, Report, camel_case
from flows.query.request import ExportRequest, default_report, parse_request, parse_stored_request
from flows.reports import catalog, load_reports
from flows.rows.columns import Question, type_name
from flows.rows.operators import FILTERABLE
from flows.settings import Settings
from flows.sources import sqlalchemy_rows
from flows.sources.postgresql import csv_expressions

VISITS = """
from sqlalchemy import Column, Integer, MetaData, Table, select
from flows.reports import Heading, Report
visits = Table("visits", MetaData(), Column("id", Integer, primary_key=True))
REPORT = Report(name="{name}", title="Visits", select=select(visits.c.id), key=visits.c.id{more})
"""


def report_file(name: str = "visits", more: str = "") -> str:
    return VISITS.format(name=name, more=more)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on the module search path.

    Each test must use new module names, because Python caches modules.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)


def test_sample_reports_are_in_the_catalog_only_if_it_names_them() -> None:
    assert catalog() == {}
    assert sorted(catalog(("flows.samples",))) == ["orders", "survey-responses"]


def default_of(*arguments: Any) -> str | None:
    report = default_report(catalog(*arguments))
    return report and report.name


def test_survey_responses_is_the_default_report_where_it_exists() -> None:
    assert default_of(("flows.samples",)) == DEFAULT_REPORT


def test_the_only_report_is_the_default() -> None:
    assert default_of(("flows.samples.orders",)) == "orders"


def test_the_setting_names_the_default_report() -> None:
    assert default_of(("flows.samples",), "orders") == "orders"


def test_an_unknown_default_report_is_rejected() -> None:
    with pytest.raises(
        DeclarationError, match="REPORTS_DEFAULT_REPORT: no report is named 'order'; reports: orders"
    ):
        catalog(("flows.samples.orders",), "order")


def test_several_reports_without_a_default_must_be_named(folder: Path) -> None:
    write(
        folder,
        {"several/__init__.py": "", "several/a.py": report_file("a"), "several/b.py": report_file("b")},
    )
    with pytest.raises(InvalidRequest) as raised:
        parse_request({}, catalog(("several",)))
    assert raised.value.errors == [FieldError("/report", "missing", "Name a report. Choose from: a, b.")]


def test_an_empty_catalog_is_reported() -> None:
    with pytest.raises(InvalidRequest, match="No report has been declared"):
        parse_request({"report": "orders"}, catalog())


def test_a_stored_request_keeps_its_report_when_the_default_changes() -> None:
    article = {"surveyId": IDS[0], "from": "2024-07-19", "to": "2024-07-19"}
    for before, after in (("", "orders"), ("orders", "")):
        body = article if before == "" else {"from": "2024-07-19", "to": "2024-07-19"}
        request = parse_request(body, catalog(("flows.samples",), before))
        again = parse_stored_request(request.body, catalog(("flows.samples",), after))
        assert again.report.name == request.report.name


def test_a_user_module_adds_its_report(folder: Path) -> None:
    write(folder, {"my_visits.py": report_file()})
    assert sorted(catalog(("my_visits",))) == ["visits"]
    assert catalog(("my_visits",))["visits"].file == str(folder / "my_visits.py")


def test_a_user_package_adds_a_report_per_module(folder: Path) -> None:
    files = {"__init__.py": "", "visits.py": report_file(), "clicks.py": report_file("clicks")}
    write(folder, {f"my_reports/{name}": content for name, content in files.items()})
    assert sorted(catalog(("my_reports",))) == ["clicks", "visits"]


def test_the_catalog_setting_lists_modules_separated_by_commas() -> None:
    values: dict[str, Any] = {"database_url": "sqlite://", "storage_url": "file:///x", "catalog": " a, b.c,,"}
    assert Settings(**values).catalog_modules == ("a", "b.c")


@pytest.mark.parametrize(
    ("files", "module", "named", "reason"),
    [
        ({"syntax.py": "REPORT = ("}, "syntax", "syntax.py", "SyntaxError"),
        ({"raises.py": "1 / 0"}, "raises", "raises.py", "ZeroDivisionError"),
        ({"needs.py": "import not_installed"}, "needs", "needs.py", "not_installed"),
        ({"without/__init__.py": "", "without/one.py": ""}, "without", "one.py", "must define REPORT"),
        (
            {"other/__init__.py": "", "other/one.py": "REPORT = 1"},
            "other",
            "one.py",
            "must define REPORT",
        ),
        (
            {"inner/__init__.py": "", "inner/one.py": report_file(more=', sort="seenAt"')},
            "inner",
            "one.py",
            "sort: cannot sort by 'seenAt'; choose from id",
        ),
        (
            {"wrong_heading.py": report_file(more=', headings={"totl": Heading()}')},
            "wrong_heading",
            "wrong_heading.py",
            "totl",
        ),
        (
            {"wrong_filter.py": report_file(more=', filters={"total": visits.c.totl}')},
            "wrong_filter",
            "wrong_filter.py",
            "totl",
        ),
        (
            {"twice/__init__.py": "", "twice/a.py": report_file(), "twice/b.py": report_file()},
            "twice",
            "b.py",
            "'visits'",
        ),
        ({}, "nowhere_to_be_found", "nowhere_to_be_found", "ModuleNotFoundError"),
        ({}, "nowhere.to.be_found", "nowhere.to.be_found", "ModuleNotFoundError"),
    ],
)
def test_an_invalid_report_is_disabled_with_its_file_and_the_reason(
    folder: Path, files: dict[str, str], module: str, named: str, reason: str
) -> None:
    write(folder, files)
    broken = load_reports((module,)).broken
    assert len(broken) == 1
    assert named in broken[0].file
    assert reason in broken[0].reason


def test_a_broken_report_does_not_affect_the_others(folder: Path) -> None:
    files = {"__init__.py": "", "good.py": report_file("good"), "bad.py": "1 / 0", "_shared.py": "1 / 0"}
    write(folder, {f"mixed/{name}": content for name, content in files.items()})
    loaded = load_reports(("mixed",))
    assert list(loaded.reports) == ["good"]
    assert [str(broken) for broken in loaded.broken] == [
        f"{folder}/mixed/bad.py:1: ZeroDivisionError: division by zero"
    ]


def test_the_location_of_an_error_is_the_line_of_the_declaration(folder: Path) -> None:
    text = report_file(more=', sort="seenAt"').replace("REPORT = Report(", "REPORT = Report(\n    ")
    write(folder, {"two_lines.py": text})
    assert load_reports(("two_lines",)).broken[0].file == f"{folder}/two_lines.py:5"


def test_an_error_in_a_shared_module_is_located_there(folder: Path) -> None:
    files = {"__init__.py": "", "_tables.py": "x = 1\ny = z", "one.py": "from shared._tables import y"}
    write(folder, {f"shared/{name}": content for name, content in files.items()})
    assert load_reports(("shared",)).broken[0].file == f"{folder}/shared/_tables.py:2"


def test_a_broken_report_named_as_the_default_leaves_no_default(folder: Path) -> None:
    write(folder, {"bad_default.py": "1 / 0", "fine.py": report_file("fine")})
    assert default_of(("bad_default", "fine"), "bad-default") is None


def test_two_reports_cannot_share_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(reports, ModuleType)
    monkeypatch.setattr(reports, "_installed_modules", lambda: ["flows.samples"])
    loaded = reports.load_reports.__wrapped__(("flows.samples.orders",))
    assert sorted(loaded.reports) == ["orders", "survey-responses"]
    loaded = reports.load_reports.__wrapped__(("flows.samples", "flows.samples.orders"))
    assert "two reports have the name 'orders'; the other is in" in loaded.broken[0].reason


# The following tests run for every report in the catalog, including reports that users add.

REPORTS = catalog(("flows.samples",))
every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
every_database = pytest.mark.parametrize(
    "database",
    [
        pytest.param(kind.dialect(), id=kind.dialect.name)
        for kind in (postgresql, sqlite, mysql, mssql, oracle)
    ],
)
# Sample ids, one for each pattern in use.
IDS = ("668b6fa3b8d693cd865b44bb", "899e1228-d7b8-40fc-8490-70e6f1efb338", "1", "a")
SAMPLES = {
    "string": "a",
    "boolean": True,
    "integer": 1,
    "number": 1.5,
    "date": "2024-07-19",
    "date-time": "2024-07-19T12:00:00Z",
    "uuid": "899e1228-d7b8-40fc-8490-70e6f1efb338",
}
QUESTIONS = [Question("q1", "Which?", False), Question("q2", "Which ones?", True)]


def request_for(report: Report, **fields: Any) -> ExportRequest:
    ids = {
        name: next((sample for sample in IDS if scope.matches(sample)), None)
        for name, scope in report.scope.items()
    }
    if None in ids.values():
        pytest.skip("add an id that matches the report's pattern to IDS")
    dates = {"from": "2024-07-19", "to": "2024-07-19"} if report.period is not None else {}
    body = {"report": report.name, **ids, **dates, **fields}
    return parse_request(body, {report.name: report})


@every_report
def test_the_title_and_all_labels_are_set(report: Report) -> None:
    assert report.title.strip()
    assert [key for key, column in report.table_columns.items() if not column.label.strip()] == []


@every_report
def test_a_report_has_the_name_of_its_file(report: Report) -> None:
    assert Path(report.file).stem.replace("_", "-") == report.name


@every_report
def test_column_keys_are_unique_and_safe_in_a_query(report: Report) -> None:
    keys = [camel_case(str(column.key)) for column in report.select.exported_columns]
    assert len(set(keys)) == len(keys)
    assert [key for key in keys if not key.isidentifier() or not key.isascii()] == []


@every_report
def test_the_default_sort_uses_existing_columns(report: Report) -> None:
    assert {key.key for key in report.default_sort} <= set(report.table_columns)


@every_report
def test_a_filter_named_like_a_column_filters_that_column(report: Report) -> None:
    shared = [name for name in report.filters if name in report.table_columns]
    filters, columns = report.filter_columns, report.table_columns
    assert [n for n in shared if filters[n].column is not columns[n].expression] == []


@every_report
def test_a_filters_choices_are_values_of_its_column(report: Report) -> None:
    for name, filter_ in report.filter_columns.items():
        assert type_name(filter_.column.type) in FILTERABLE
        if filter_.known_choices is not None:
            request = request_for(report, filters={name: list(filter_.known_choices)})
            assert request.filters[name] == filter_.known_choices


@every_report
def test_question_columns_do_not_hide_a_column(report: Report) -> None:
    assert questions_key(report) not in report.table_columns


@every_report
@every_database
def test_every_statement_compiles_for_every_database(report: Report, database: Any) -> None:
    filters = {
        name: [next(iter(filter_.known_choices or ()), SAMPLES[type_name(filter_.column.type)]), None]
        for name, filter_ in report.filter_columns.items()
    }
    sortable = [key for key, column in report.table_columns.items() if column.type != "json"]
    request = request_for(report, filters=filters, sort=",".join(f"-{key}" for key in sortable))
    columns = statement.output_columns(request, QUESTIONS if report.questions else [])
    statements: list[ClauseElement | None] = [
        report.select,
        statement.count(request),
        statement.rows(request, sqlalchemy_rows.expressions(columns)),
        statement.questions(request),
        *(statement.scope_exists(request, name) for name in report.scope),
    ]
    if database.name == "postgresql":
        statements.append(statement.rows(request, csv_expressions.expressions(columns, request.options)))
    for clause in statements:
        assert clause is None or "SELECT" in str(clause.compile(dialect=database))
