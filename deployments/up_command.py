"""Implement `report-exports up`, which checks the settings and starts the whole stack on this machine."""

import argparse
import ipaddress
import os
from collections.abc import Mapping

from pydantic import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.settings import ApiSettings
from deployments.stack.data_dir import DataDirUnusable
from deployments.stack.environment import is_of_postgres, report_modules
from deployments.stack.local import up
from deployments.stack.parts.postgres import NoAccount
from deployments.stack.plan import Options
from deployments.stack.ports import PortTaken, is_free
from deployments.stack.terminal import Terminal
from flows.errors import DeclarationError
from flows.reports import catalog


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    terminal, environment = Terminal(), dict(os.environ)
    if error := check_settings(environment):
        parser.error(error)
    authenticated = _load_settings(environment).authenticates
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
    )
    try:
        return up(options, environment, terminal)
    except (DataDirUnusable, PortTaken, NoAccount) as refusal:
        terminal.fail(str(refusal))
        return 2
    except KeyboardInterrupt:
        return 130


def check_settings(environment: Mapping[str, str]) -> str | None:
    """Return an error message for the first invalid setting, or None."""
    storage_url = environment.get("REPORTS_STORAGE_URL")
    if storage_url and not storage_url.startswith(("s3://", "file:///")):
        return "REPORTS_STORAGE_URL must be s3://bucket/prefix or file:///folder."
    prefect_url = environment.get("PREFECT_API_URL")
    if prefect_url and not prefect_url.startswith(("http://", "https://")):
        return "PREFECT_API_URL must be an http or https URL, such as http://127.0.0.1:4200/api."
    if database_url := environment.get("REPORTS_DATABASE_URL"):
        try:
            make_url(database_url)
        except ArgumentError:
            return "REPORTS_DATABASE_URL must be an SQLAlchemy URL, such as postgresql://user@host/database."
    return _check_values(environment) or _check_reports(environment)


def check_host(host: str, authenticated: bool) -> str | None:
    """Return an error message if the API cannot listen on this address, or None."""
    if not authenticated and not ipaddress.ip_address(host).is_loopback:
        return (
            f"{host} is reachable from other machines, and authentication is not configured. Set"
            " REPORTS_KEYS_FILE or REPORTS_JWT_KEY_FILE, or use a loopback address such as 127.0.0.1."
        )
    return None if is_free(0, host) else f"this machine has no address {host}."


def _load_settings(environment: Mapping[str, str]) -> ApiSettings:
    values = {name.removeprefix("REPORTS_").lower(): value for name, value in environment.items()}
    fields = {"database_url": "sqlite://", "storage_url": "s3://bucket"}
    fields |= {name: value for name, value in values.items() if name in ApiSettings.model_fields}
    return ApiSettings.model_validate(fields)


def _check_values(environment: Mapping[str, str]) -> str | None:
    try:
        _load_settings(environment)
    except ValidationError as error:
        first = error.errors()[0]
        return f"REPORTS_{str(first['loc'][0]).upper()}: {first['msg']}."
    return None


def _check_reports(environment: Mapping[str, str]) -> str | None:
    modules = report_modules(environment)
    try:
        catalog(tuple(modules.split(",")) if modules else (), environment.get("REPORTS_DEFAULT_REPORT", ""))
    except DeclarationError as error:
        return str(error)
    return None
