"""Implement `report-exports up`, which checks the settings and starts the whole stack on this machine."""

import argparse
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from deployments.deployment_list import DeploymentsInvalid, read_deployments
from deployments.project.env_file import ENV_FILE
from deployments.roles.settings import (
    check_credentials,
    check_host,
    check_jwt_key,
    check_settings,
    find_misspelled,
    find_unreadable_files,
    load_settings,
)
from deployments.schedule_check import find_invalid_schedules
from deployments.stack.data_dir import DataDirUnusable
from deployments.stack.environment import Replaced, is_of_postgres, report_modules
from deployments.stack.installed import ServerNotInstalled
from deployments.stack.local import up
from deployments.stack.parts.postgres import NoAccount
from deployments.stack.plan import Options
from deployments.stack.ports import PortTaken
from deployments.stack.preflight import find_problems
from deployments.stack.terminal import Terminal
from flows.errors import DeclarationError
from flows.reports import LoadedReports, hidden_packages, load_reports


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    terminal, environment = Terminal(), dict(os.environ)
    if error := check_settings(environment):
        parser.error(error)
    try:
        loaded = _load_reports(environment)
    except DeclarationError as invalid:
        parser.error(str(invalid))
    try:
        deployments = read_deployments(environment)
    except DeploymentsInvalid as invalid:
        parser.error(str(invalid))
    invalid_schedules = list(find_invalid_schedules(deployments, loaded, datetime.now(UTC)))
    if arguments.strict and (loaded.broken or invalid_schedules):
        parser.error("\n".join([*map(str, loaded.broken), *invalid_schedules]))
    settings = load_settings(environment)
    if error := check_credentials(environment) or check_jwt_key(settings):
        parser.error(error)
    if error := check_host(arguments.host, settings.authenticates):
        parser.error(f"argument --host: {error}")
    notes = [
        *_notes(loaded, settings.catalog),
        *invalid_schedules,
        *find_misspelled(environment),
        *find_unreadable_files(settings),
        *find_problems(settings, Replaced.from_environment(environment)),
    ]
    for name in filter(is_of_postgres, environment):
        del os.environ[name]  # libpq must connect only to the embedded server
    if arguments.port is not None and arguments.port == arguments.prefect_port != 0:
        parser.error(f"--port and --prefect-port are both {arguments.port}. Choose different ports.")
    options = Options(
        data_dir=arguments.data_dir.resolve(),
        host=arguments.host,
        authenticated=settings.authenticates,
        port=arguments.port,
        prefect_port=arguments.prefect_port,
        sample_responses=arguments.sample_responses,
        strict=arguments.strict,
        reload=arguments.reload,
    )
    try:
        return up(options, environment, terminal, tuple(notes))
    except (DataDirUnusable, PortTaken, NoAccount, ServerNotInstalled) as refusal:
        terminal.fail(str(refusal))
        return 2
    except KeyboardInterrupt:
        return 130


def _load_reports(environment: Mapping[str, str]) -> LoadedReports:
    return load_reports(report_modules(environment), environment.get("REPORTS_DEFAULT_REPORT", ""))


def _notes(loaded: LoadedReports, catalog: str) -> Iterator[str]:
    if ENV_FILE.is_file():
        yield f"Settings are read from {ENV_FILE.resolve()}. Environment variables take precedence."
    for path in hidden_packages():
        yield (
            f"{path} is not imported, because report-exports has a package `{path.stem}`. Rename yours if"
            " your reports need it."
        )
    if not loaded.reports and not loaded.broken:
        yield "No report is declared yet. Write one with `report-exports new TABLE`."
        if not catalog:
            yield "Name the package of your reports in REPORTS_CATALOG, such as REPORTS_CATALOG=reports."
