"""Define the options of the commands that start individual parts of the service."""

import argparse
import ipaddress
from pathlib import Path

from deployments.command_line.options.export_options import Commands
from deployments.stack.ports import API_PORT

MAX_PROCESSES = 64
MAX_SAMPLE_RESPONSES = 20_000_000


def add_parsers(commands: Commands) -> None:
    _add_api(commands)
    _add_worker(commands)
    _add_register(commands)
    commands.add_parser("sweep-once", help="remove expired and leftover files, then exit", allow_abbrev=False)


def _add_api(commands: Commands) -> None:
    command = commands.add_parser("api", help="serve the API and the page", allow_abbrev=False)
    add_host(command)
    command.add_argument(
        "--port", type=parse_port, default=API_PORT, help="port of the API (default: %(default)s)"
    )
    command.add_argument(
        "--processes",
        type=_parse_processes,
        default=1,
        metavar="N",
        help="number of processes that share the port (default: %(default)s)",
    )
    command.add_argument(
        "--root-path",
        type=_parse_path,
        default="",
        metavar="PATH",
        help="path under which a proxy serves the API, such as /exports, if the proxy removes it from URLs",
    )


def add_host(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--host",
        type=_parse_address,
        default="127.0.0.1",
        help="IP address of the API (default: %(default)s); any other than loopback requires authentication",
    )


def _add_register(commands: Commands) -> None:
    command = commands.add_parser(
        "register", help="apply prefect.yaml to the Prefect server and print the changes", allow_abbrev=False
    )
    command.add_argument(
        "--wait",
        type=_parse_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for the Prefect server (default: %(default)s)",
    )


def _add_worker(commands: Commands) -> None:
    command = commands.add_parser("worker", help="start a warm worker", allow_abbrev=False)
    command.add_argument("--pool", help="work pool to serve (default: REPORTS_WORK_POOL, or exports)")
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


def _parse_processes(text: str) -> int:
    return _parse_number(text, 1, MAX_PROCESSES)


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


def _parse_path(text: str) -> str:
    if text and (not text.startswith("/") or text.endswith("/")):
        raise argparse.ArgumentTypeError(f"{text!r} must start with a slash and not end with one.")
    return text


def parse_folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty.")
    return Path(text)


def parse_port(text: str) -> int:
    return _parse_number(text, 0, 65535)


def parse_sample_size(text: str) -> int:
    return _parse_number(text, 1, MAX_SAMPLE_RESPONSES)


def _parse_number(text: str, minimum: int, maximum: int) -> int:
    if not (text.isascii() and text.isdigit()) or not minimum <= int(text) <= maximum:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {minimum} to {maximum:,}.")
    return int(text)
