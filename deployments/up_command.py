"""`report-exports up`: the whole stack on this machine, once its settings make sense."""

import argparse
import ipaddress
import os
from collections.abc import Mapping

from pydantic import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.settings import ApiSettings
from deployments.stack.data_dir import DataDirUnusable
from deployments.stack.environment import is_of_postgres
from deployments.stack.local import up
from deployments.stack.plan import Options
from deployments.stack.ports import PortTaken, is_free
from deployments.stack.postgres import NoAccount
from deployments.stack.terminal import Terminal
from flows.errors import DeclarationError
from flows.reports import catalog


def run(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> int:
    terminal, inherited = Terminal(), dict(os.environ)
    if complaint := complaint_about_settings(inherited):
        parser.error(complaint)
    authenticated = _settings(inherited).authenticates
    if complaint := complaint_about_host(parsed.host, authenticated):
        parser.error(f"argument --host: {complaint}")
    for name in filter(is_of_postgres, inherited):
        del os.environ[name]  # they are meant for another server than the one that is started here
    if parsed.port is not None and parsed.port == parsed.prefect_port != 0:
        parser.error(f"--port and --prefect-port are both {parsed.port}.")
    options = Options(
        data_dir=parsed.data_dir.resolve(),
        host=parsed.host,
        authenticated=authenticated,
        port=parsed.port,
        prefect_port=parsed.prefect_port,
        sample_responses=parsed.sample_responses,
    )
    try:
        return up(options, inherited, terminal)
    except (DataDirUnusable, PortTaken, NoAccount) as refusal:
        terminal.fail(str(refusal))
        return 2
    except KeyboardInterrupt:
        return 130


def complaint_about_settings(environment: Mapping[str, str]) -> str | None:
    """A replaced part whose address cannot be one would only show as a failed start minutes later."""
    storage_url = environment.get("REPORTS_STORAGE_URL")
    if storage_url and not storage_url.startswith(("s3://", "file:///")):
        return "REPORTS_STORAGE_URL must be s3://bucket/prefix or file:///folder."
    prefect_url = environment.get("PREFECT_API_URL")
    if prefect_url and not prefect_url.startswith(("http://", "https://")):
        return "PREFECT_API_URL must be an http or https address, such as http://127.0.0.1:4200/api."
    if database_url := environment.get("REPORTS_DATABASE_URL"):
        try:
            make_url(database_url)
        except ArgumentError:
            return "REPORTS_DATABASE_URL must be an SQLAlchemy URL, such as postgresql://user@host/database."
    return _complaint_about_values(environment) or _complaint_about_reports(environment)


def complaint_about_host(host: str, authenticated: bool) -> str | None:
    if not authenticated and not ipaddress.ip_address(host).is_loopback:
        return (
            f"{host} can be reached from other machines, and no authentication is configured. Set"
            " REPORTS_KEYS_FILE or REPORTS_JWT_KEY_FILE; without one only loopback addresses such as"
            " 127.0.0.1 are allowed."
        )
    return None if is_free(0, host) else f"this machine has no address {host}."


def _settings(environment: Mapping[str, str]) -> ApiSettings:
    given = {name.removeprefix("REPORTS_").lower(): value for name, value in environment.items()}
    fields = {"database_url": "sqlite://", "storage_url": "s3://bucket"}
    fields |= {name: value for name, value in given.items() if name in ApiSettings.model_fields}
    return ApiSettings.model_validate(fields)


def _complaint_about_values(environment: Mapping[str, str]) -> str | None:
    try:
        _settings(environment)
    except ValidationError as error:
        first = error.errors()[0]
        return f"REPORTS_{str(first['loc'][0]).upper()}: {first['msg']}."
    return None


def _complaint_about_reports(environment: Mapping[str, str]) -> str | None:
    modules = environment.get("REPORTS_CATALOG", "")
    try:
        catalog(tuple(name.strip() for name in modules.split(",") if name.strip()))
    except DeclarationError as error:
        return str(error)
    return None
