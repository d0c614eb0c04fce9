"""Test reports that read from different databases."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, select

from api.access.catalog import Catalog
from api.readiness import ReadinessChecks
from api.settings import ApiSettings
from api.tables.report_monitor import ReportMonitor
from api.tables.source import Source
from flows import export
from flows.errors import DeclarationError, ReportInvalid
from flows.query.report import Report
from flows.query.request import parse_request
from flows.reports import LoadedReports
from tests.support.engines import file_of

CLOSED_PORT = "postgresql://reader@127.0.0.1:9/closed"
places = Table("places", MetaData(), Column("id", Integer, primary_key=True), Column("name", String))
MAIN = Report(name="main", title="Main", select=select(places.c.id, places.c.name), key=places.c.id)
OTHER = replace(MAIN, name="other", database="other")
UNKNOWN = replace(MAIN, name="unknown", database="unknown")
AWAY = replace(MAIN, name="away", database="away")
REPORTS = {report.name: report for report in (AWAY, MAIN, OTHER, UNKNOWN)}
NAMES = {"main": "in the main database", "other": "in the other database"}


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    urls = {}
    for database, name in NAMES.items():
        with closing(sqlite3.connect(tmp_path / f"{database}.db")) as connection:
            connection.execute("CREATE TABLE places (id integer PRIMARY KEY, name text)")
            connection.execute("INSERT INTO places VALUES (1, ?)", [name])
            connection.commit()
        urls[database] = f"sqlite:///{tmp_path}/{database}.db"
    databases = json.dumps({"other": urls["other"], "away": CLOSED_PORT})
    return ApiSettings.model_validate(
        {"database_url": urls["main"], "databases": databases, "storage_url": "file:///nowhere"}
    )


@pytest.fixture
def source(settings: ApiSettings) -> Iterator[Source]:
    source = Source(settings, lambda: datetime.now(UTC))
    yield source
    source.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_table_shows_the_rows_of_the_reports_database(source: Source, name: str) -> None:
    page = asyncio.run(source.page(parse_request({"report": name}, REPORTS), 10, 1, None))
    assert [row["name"] for row in page.rows] == [NAMES[name]]


@pytest.mark.parametrize("name", NAMES)
def test_an_export_contains_the_rows_of_the_reports_database(settings: ApiSettings, name: str) -> None:
    request = parse_request({"report": name}, REPORTS)
    job = export.Export(uuid4(), 1, request, settings)
    assert file_of(export.fetch.fn(job), request).decode() == f"Id,Name\n1,{NAMES[name]}\n"


def test_an_unknown_database_is_an_error(settings: ApiSettings, source: Source) -> None:
    request = parse_request({"report": "unknown"}, REPORTS)
    with pytest.raises(ReportInvalid, match="'unknown' is not in REPORTS_DATABASES"):
        list(export.fetch.fn(export.Export(uuid4(), 1, request, settings)))
    with pytest.raises(DeclarationError, match="'unknown' is not in REPORTS_DATABASES"):
        source.check_report(UNKNOWN)


def test_an_unreachable_database_neither_disables_nor_hides_the_other_reports(source: Source) -> None:
    catalog = Catalog.of(REPORTS)
    ReportMonitor(LoadedReports(REPORTS, ()), source, catalog).check()
    assert set(catalog.disabled) == {"unknown"}


def test_readiness_is_degraded_while_one_of_several_databases_is_unreachable(source: Source) -> None:
    readiness = ReadinessChecks({"database": source.check}, 5.0, lambda: 0.0)
    assert asyncio.run(readiness.results()) == {"database": "degraded"}
    assert readiness.reasons["database"].startswith("away: ")


def test_readiness_fails_if_no_database_is_reachable() -> None:
    values = {"database_url": CLOSED_PORT, "databases": json.dumps({"away": CLOSED_PORT})}
    source = Source(
        ApiSettings.model_validate({**values, "storage_url": "s3://b"}), lambda: datetime.now(UTC)
    )
    readiness = ReadinessChecks({"database": source.check}, 5.0, lambda: 0.0)
    assert asyncio.run(readiness.results()) == {"database": "failed"}
    source.close()
