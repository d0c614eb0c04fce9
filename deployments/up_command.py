"""Implement `report-exports up`, which checks the settings and starts the whole stack on this machine."""

import argparse
import os
from collections.abc import Mapping

from deployments.roles.settings import check_credentials, check_host, check_settings, load_settings
from deployments.stack.data_dir import DataDirUnusable
from deployments.stack.environment import is_of_postgres, report_modules
from deployments.stack.installed import ServerNotInstalled
from deployments.stack.local import up
from deployments.stack.parts.postgres import NoAccount
from deployments.stack.plan import Options
from deployments.stack.ports import PortTaken
from deployments.stack.terminal import Terminal
from flows.errors import DeclarationError
from flows.reports import load_reports


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    terminal, environment = Terminal(), dict(os.environ)
    if error := check_settings(environment) or _check_reports(environment, arguments.strict):
        parser.error(error)
    authenticated = load_settings(environment).authenticates
    if error := check_credentials(environment):
        parser.error(error)
    if error := check_host(arguments.host, authenticated):
        parser.error(f"argument --host: {error}")
    for name in filter(is_of_postgres, environment):
        del os.environ[name]  # libpq must connect only to the embedded server
    if arguments.port is not None and arguments.port == arguments.prefect_port != 0:
        parser.error(f"--port and --prefect-port are both {arguments.port}. Choose different ports.")
    options = Options(
        data_dir=arguments.data_dir.resolve(),
        host=arguments.host,
        authenticated=authenticated,
        port=arguments.port,
        prefect_port=arguments.prefect_port,
        sample_responses=arguments.sample_responses,
        strict=arguments.strict,
    )
    try:
        return up(options, environment, terminal)
    except (DataDirUnusable, PortTaken, NoAccount, ServerNotInstalled) as refusal:
        terminal.fail(str(refusal))
        return 2
    except KeyboardInterrupt:
        return 130


def _check_reports(environment: Mapping[str, str], strict: bool) -> str | None:
    modules = report_modules(environment)
    try:
        loaded = load_reports(
            tuple(modules.split(",")) if modules else (), environment.get("REPORTS_DEFAULT_REPORT", "")
        )
    except DeclarationError as error:
        return str(error)
    return "\n".join(map(str, loaded.broken)) if strict and loaded.broken else None
