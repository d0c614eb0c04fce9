import argparse
import asyncio
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.settings import ApiSettings
from deployments.data_dir import DataDirUnusable
from deployments.environment import is_of_postgres
from deployments.local import up
from deployments.plan import API_PORT, PREFECT_PORT, Options
from deployments.ports import PortTaken
from deployments.postgres import NoAccount
from deployments.terminal import Terminal
from flows.errors import DeclarationError
from flows.reports import catalog

MOST_SAMPLE_RESPONSES = 20_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    terminal, parser, inherited = Terminal(), _parser(), dict(os.environ)
    parsed = parser.parse_args(arguments)
    if parsed.command == "worker":
        return _worker(parsed, terminal)
    if complaint := complaint_about_settings(inherited):
        parser.error(complaint)
    for name in filter(is_of_postgres, inherited):
        del os.environ[name]  # they are meant for another server than the one that is started here
    if parsed.port is not None and parsed.port == parsed.prefect_port != 0:
        parser.error(f"--port and --prefect-port are both {parsed.port}.")
    options = Options(
        data_dir=parsed.data_dir.resolve(),
        host=parsed.host,
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


def _worker(parsed: argparse.Namespace, terminal: Terminal) -> int:
    """The exit code: 0 after a clean stop, 2 when this worker cannot serve that pool."""
    from deployments.warm_worker.serve import UntestedPrefect, WorkerRefused, serve  # imports Prefect: 2 s

    try:
        asyncio.run(serve(parsed.pool, parsed.name, parsed.limit, parsed.grace))
    except (WorkerRefused, UntestedPrefect) as refusal:
        terminal.fail(str(refusal))
        return 2
    return 0


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


def _complaint_about_values(environment: Mapping[str, str]) -> str | None:
    given = {name.removeprefix("REPORTS_").lower(): value for name, value in environment.items()}
    fields = {"database_url": "sqlite://", "storage_url": "s3://bucket"}
    fields |= {name: value for name, value in given.items() if name in ApiSettings.model_fields}
    try:
        ApiSettings.model_validate(fields)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="report-exports", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="up | worker")
    command = commands.add_parser("up", help="start the whole stack on this machine", allow_abbrev=False)
    command.add_argument("--host", type=_loopback, default="127.0.0.1", help="of the API (%(default)s)")
    command.add_argument("--port", type=_port, help=f"of the API ({API_PORT}); 0 is any free one")
    command.add_argument(
        "--prefect-port", type=_port, help=f"of the Prefect server ({PREFECT_PORT}); 0 is any free one"
    )
    command.add_argument(
        "--data-dir", type=_folder, default=Path(".local"), help="all that is kept (%(default)s/)"
    )
    command.add_argument(
        "--sample-responses",
        type=_sample_size,
        default=50_000,
        metavar="N",
        help="survey responses made at the first start (%(default)s)",
    )
    _add_worker(commands)
    return parser


def _add_worker(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    worker = commands.add_parser("worker", help="serve a warm work pool", allow_abbrev=False)
    worker.add_argument("--pool", default="exports", help="the work pool (%(default)s)")
    worker.add_argument("--name", help="as the Prefect UI shows it")
    worker.add_argument("--limit", type=_limit, help="runs at a time (twice the number of cores)")
    worker.add_argument(
        "--grace",
        type=_seconds,
        default=30.0,
        help="seconds that runs get to end when the worker is told to stop (%(default)s)",
    )


def _limit(text: str) -> int:
    return _number(text, 1, 1000, "it is a number from 1 to 1,000")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds.")
    return seconds


def _loopback(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        raise argparse.ArgumentTypeError(f"{host!r} is not an IP address.") from None
    raise argparse.ArgumentTypeError(
        f"{host} can be reached from other machines, and no authentication is configured; only loopback"
        " addresses such as 127.0.0.1 are allowed without."
    )


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it is empty.")
    return Path(text)


def _port(text: str) -> int:
    return _number(text, 0, 65535, "a port is a number from 0 (any free one) to 65535")


def _sample_size(text: str) -> int:
    return _number(text, 1, MOST_SAMPLE_RESPONSES, f"it is a number from 1 to {MOST_SAMPLE_RESPONSES:,}")


def _number(text: str, lowest: int, highest: int, rule: str) -> int:
    if not (text.isascii() and text.isdigit()) or not lowest <= int(text) <= highest:
        raise argparse.ArgumentTypeError(f"{text!r}: {rule}.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
