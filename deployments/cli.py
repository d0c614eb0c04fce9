"""Entry point of the `report-exports` command.

`up`, `worker` and `keys` import the service only when they run, so the client commands start quickly.
"""

import argparse
import asyncio
import ipaddress
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from deployments import keys_command
from deployments.command_line.api_client import Problem
from deployments.command_line.commands import cancel, export, list_exports, schedules
from deployments.command_line.exit_codes import CommandError, Interrupted, OperationFailed, RequestRejected
from deployments.command_line.options import export_options, schedule_options
from deployments.command_line.options.export_options import Commands
from deployments.command_line.options.scope_options import Pair, split_scope_options
from deployments.command_line.text.display import print_to_stderr
from deployments.stack.ports import API_PORT, PREFECT_PORT

MAX_SAMPLE_RESPONSES = 20_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except Interrupted as interrupted:
        return interrupted.code
    except CommandError as error:
        print_to_stderr(f"report-exports: {error}")
        return error.code
    except Problem as problem:
        print_to_stderr(f"report-exports: {problem.detail}")
        return RequestRejected.code
    except BrokenPipeError:  # for example in `report-exports export … -o - | head`
        # Python flushes stdout at exit. Unless stdout is redirected, that would raise the same error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OperationFailed.code


def _run(argv: list[str]) -> int:
    parser, declared_options = _build_parser()
    scope_pairs: list[Pair] = []
    if argv[:1] == ["export"] or schedule_options.takes_scopes(argv):
        argv, scope_pairs = split_scope_options(argv, declared_options[argv[0]])
    arguments = parser.parse_args(argv)
    match arguments.command:
        case "up":
            return _up(parser, arguments)
        case "worker":
            return _worker(arguments)
        case "export":
            return export.run(arguments, scope_pairs, declared_options["export"])
        case "schedules":
            return schedules.run(arguments, scope_pairs, declared_options["schedules"])
        case "list":
            return list_exports.run(arguments)
        case "keys":
            return keys_command.run(arguments)
    return cancel.run(arguments)


def _up(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    from deployments import up_command  # takes 1 s, because it imports pandas

    return up_command.run(parser, arguments)


def _worker(arguments: argparse.Namespace) -> int:
    """Run a worker and return 0 after a clean stop, or 2 if it cannot serve the work pool."""
    # Prefect answers 500 while its database restarts. Prefect's client, which reads this setting when it is
    # imported, would otherwise fail the run.
    os.environ.setdefault("PREFECT_CLIENT_RETRY_EXTRA_CODES", "500")
    from deployments.stack.terminal import Terminal
    from deployments.warm_worker.serve import WorkerRefused, serve  # takes 2 s

    values = (
        arguments.pool,
        arguments.name,
        arguments.limit,
        arguments.grace,
        arguments.jobs_per_process,
    )
    try:
        asyncio.run(serve(*values))
    except WorkerRefused as refusal:
        Terminal().fail(str(refusal))
        return 2
    return 0


def _build_parser() -> tuple[argparse.ArgumentParser, dict[str, set[str]]]:
    """Return the parser, and the declared options of the commands that also accept a report's scopes."""
    parser = argparse.ArgumentParser(prog="report-exports", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_up(commands)
    _add_worker(commands)
    declared_options = {"export": export_options.add_parser(commands)}
    list_exports.add_parser(commands)
    cancel.add_parser(commands)
    declared_options["schedules"] = schedule_options.add_parser(commands)
    keys_command.add_parser(commands)
    return parser, declared_options


def _add_up(commands: Commands) -> None:
    command = commands.add_parser("up", help="start the whole stack on this machine", allow_abbrev=False)
    command.add_argument(
        "--host",
        type=_parse_address,
        default="127.0.0.1",
        help="IP address of the API (default: %(default)s); any other than loopback requires authentication",
    )
    command.add_argument(
        "--port", type=_parse_port, help=f"port of the API (default: {API_PORT}); 0 picks a free one"
    )
    command.add_argument(
        "--prefect-port",
        type=_parse_port,
        help=f"port of the Prefect server (default: {PREFECT_PORT}); 0 picks a free one",
    )
    command.add_argument(
        "--data-dir",
        type=_parse_folder,
        default=Path(".local"),
        help="folder for all data (default: %(default)s/)",
    )
    command.add_argument(
        "--sample-responses",
        type=_parse_sample_size,
        default=50_000,
        metavar="N",
        help="survey responses to generate at the first start (default: %(default)s)",
    )


def _add_worker(commands: Commands) -> None:
    command = commands.add_parser("worker", help="start a warm worker", allow_abbrev=False)
    command.add_argument("--pool", default="exports", help="work pool to serve (default: %(default)s)")
    command.add_argument("--name", help="name of the worker in the Prefect UI")
    command.add_argument(
        "--limit", type=_parse_limit, help="maximum number of concurrent runs (default: twice the CPU cores)"
    )
    command.add_argument(
        "--jobs-per-process",
        type=_parse_limit,
        default=50,
        metavar="N",
        help="runs after which a process is replaced; 1 gives each run a new process (default: %(default)s)",
    )
    command.add_argument(
        "--grace",
        type=_parse_seconds,
        default=30.0,
        metavar="SECONDS",
        help="how long runs may continue after the worker is asked to stop (default: %(default)s)",
    )


def _parse_limit(text: str) -> int:
    return _parse_number(text, 1, 1000)


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 86,400.")
    return seconds


def _parse_address(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{host!r} is not an IP address.") from None


def _parse_folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty.")
    return Path(text)


def _parse_port(text: str) -> int:
    return _parse_number(text, 0, 65535)


def _parse_sample_size(text: str) -> int:
    return _parse_number(text, 1, MAX_SAMPLE_RESPONSES)


def _parse_number(text: str, minimum: int, maximum: int) -> int:
    if not (text.isascii() and text.isdigit()) or not minimum <= int(text) <= maximum:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {minimum} to {maximum:,}.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
