"""The command line. What asks a running service starts at once: only `up` and `worker` import the service."""

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
from deployments.command_line.exit_codes import Ending, Failed, Interrupted, Refused
from deployments.command_line.options import export_options, schedule_options, scope_options
from deployments.command_line.options.export_options import Commands
from deployments.command_line.text.display import to_stderr
from deployments.stack.ports import API_PORT, PREFECT_PORT

MOST_SAMPLE_RESPONSES = 20_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, known = _parser()
    try:
        of_the_report: list[scope_options.Pair] = []
        if given[:1] == ["export"] or schedule_options.takes_scopes(given):
            given, of_the_report = scope_options.split(given, known[given[0]])
        parsed = parser.parse_args(given)
        match parsed.command:
            case "up":
                return _up(parser, parsed)
            case "worker":
                return _worker(parsed)
            case "export":
                return export.run(parsed, of_the_report, known["export"])
            case "schedules":
                return schedules.run(parsed, of_the_report, known["schedules"])
            case "list":
                return list_exports.run(parsed)
            case "keys":
                return keys_command.run(parsed)
        return cancel.run(parsed)
    except Interrupted as interrupted:
        return interrupted.code
    except Ending as ending:
        to_stderr(f"report-exports: {ending}")
        return ending.code
    except Problem as problem:
        to_stderr(f"report-exports: {problem.detail}")
        return Refused.code
    except BrokenPipeError:  # as in `… -o - | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would flush it once more
        return Failed.code


def _up(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> int:
    from deployments import up_command  # imports pandas: 1 s

    return up_command.run(parser, parsed)


def _worker(parsed: argparse.Namespace) -> int:
    """The exit code: 0 after a clean stop, 2 when this worker cannot serve that pool."""
    from deployments.stack.terminal import Terminal
    from deployments.warm_worker.serve import UntestedPrefect, WorkerRefused, serve  # imports Prefect: 2 s

    try:
        asyncio.run(serve(parsed.pool, parsed.name, parsed.limit, parsed.grace))
    except (WorkerRefused, UntestedPrefect) as refusal:
        Terminal().fail(str(refusal))
        return 2
    return 0


def _parser() -> tuple[argparse.ArgumentParser, dict[str, set[str]]]:
    """The parser, and by command the options that are not a report's own."""
    parser = argparse.ArgumentParser(prog="report-exports", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_up(commands)
    _add_worker(commands)
    known = {"export": export_options.add_to(commands)}
    list_exports.add_to(commands)
    cancel.add_to(commands)
    known["schedules"] = schedule_options.add_to(commands)
    keys_command.add_to(commands)
    return parser, known


def _add_up(commands: Commands) -> None:
    command = commands.add_parser("up", help="start the whole stack on this machine", allow_abbrev=False)
    command.add_argument(
        "--host",
        type=_address,
        default="127.0.0.1",
        help="of the API (%(default)s); one that is not loopback needs authentication",
    )
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


def _add_worker(commands: Commands) -> None:
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


def _address(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{host!r} is not an IP address.") from None


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
