"""Implement `report-exports check`, which runs the reports against the database."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from api.settings import ApiSettings
from deployments.command_line.exit_codes import DONE, OperationFailed, RequestRejected
from deployments.project.report_findings import Finding, examine
from deployments.roles.settings import check_settings, load_settings, missing_settings
from flows.errors import DeclarationError, ExportError
from flows.query.report import Report
from flows.reports import BrokenReport, LoadedReports, load_reports
from flows.sources.snapshot import open_engine

CONNECT_SECONDS = 5


def run(arguments: argparse.Namespace) -> int:
    loaded = _load()
    reports, broken = _select(loaded, arguments.report)
    settings = _settings()
    failed = warned = 0
    try:
        for name, file, findings in _all_findings(reports, broken, settings, arguments.seconds):
            sys.stdout.write(f"{name}  {file}\n")
            for finding in findings:
                sys.stdout.write(f"  {finding.level:<8} {finding.text}\n")
                failed += finding.level == "error"
                warned += finding.level == "warning"
    except ExportError as error:
        raise OperationFailed(str(error)) from None
    if failed or (arguments.strict and warned):
        raise OperationFailed(f"{_counted(failed, 'error')} and {_counted(warned, 'warning')}.")
    sys.stdout.write(f"No errors, {_counted(warned, 'warning')}.\n")
    return DONE


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@contextmanager
def connection_to(database: str) -> Iterator[Engine]:
    """Yield an engine for one of the configured databases.

    Raises RequestRejected if the database is not configured, or if a setting is missing or invalid.
    """
    settings = _settings()
    if database not in settings.database_urls:
        names = ", ".join(settings.databases) or "none"
        raise RequestRejected(f"REPORTS_DATABASES has no database {database!r}. Databases: {names}.")
    with _engine(settings, database) as engine:
        yield engine


def _settings() -> ApiSettings:
    if error := missing_settings(os.environ, "REPORTS_DATABASE_URL") or check_settings(os.environ):
        raise RequestRejected(error)
    return load_settings(os.environ)


@contextmanager
def _engine(settings: ApiSettings, database: str) -> Iterator[Engine]:
    engine = open_engine(settings.url_of(database), CONNECT_SECONDS, poolclass=NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


def _load() -> LoadedReports:
    if error := check_settings(os.environ):
        raise RequestRejected(error)
    settings = load_settings(os.environ)
    try:
        return load_reports(settings.catalog_modules, settings.default_report)
    except DeclarationError as error:
        raise RequestRejected(str(error)) from None


def _select(loaded: LoadedReports, name: str | None) -> tuple[list[Report], list[BrokenReport]]:
    if not loaded.reports and not loaded.broken:
        raise RequestRejected(
            "No report has been declared. Write one with `report-exports new TABLE`, or set REPORTS_CATALOG."
        )
    if name is None:
        return list(loaded.reports.values()), list(loaded.broken)
    reports = [report for report in loaded.reports.values() if report.name == name]
    broken = [report for report in loaded.broken if report.name == name]
    if not reports and not broken:
        names = ", ".join(sorted({*loaded.reports, *(report.name for report in loaded.broken)}))
        raise RequestRejected(f"No report is named {name!r}. Reports: {names}.")
    return reports, broken


def _all_findings(
    reports: list[Report], broken: list[BrokenReport], settings: ApiSettings, seconds: int
) -> Iterator[tuple[str, str, Iterator[Finding]]]:
    for report in broken:
        yield report.name, report.file, iter([Finding("error", report.reason)])
    for valid in reports:
        yield valid.name, valid.file, _examined(valid, settings, seconds)


def _examined(report: Report, settings: ApiSettings, seconds: int) -> Iterator[Finding]:
    if report.database not in settings.database_urls:
        yield Finding("error", f"The database {report.database!r} is not in REPORTS_DATABASES.")
        return
    with _engine(settings, report.database) as engine:
        yield from examine(report, engine, seconds)
