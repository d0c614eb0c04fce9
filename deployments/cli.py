"""Entry point of the `report-exports` command.

Commands such as `up` and `worker` import the service only when they run, so that client commands start
quickly.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from deployments import keys_command
from deployments.command_line.api_client import Problem
from deployments.command_line.commands import (
    cancel,
    completion,
    download_file,
    export,
    list_exports,
    reports,
    schedules,
    show,
    wait,
)
from deployments.command_line.exit_codes import CommandError, Interrupted, OperationFailed, RequestRejected
from deployments.command_line.options import export_options, schedule_options
from deployments.command_line.options.export_options import Commands
from deployments.command_line.options.scope_options import Pair, split_scope_options
from deployments.command_line.text.display import print_to_stderr
from deployments.project import options as project_options
from deployments.project.env_file import load_env_file
from deployments.roles import options as role_options
from deployments.stack.ports import API_PORT, PREFECT_PORT


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    load_env_file()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except Interrupted as interrupted:
        return interrupted.code
    except KeyboardInterrupt:  # Ctrl-C before the command handles signals, for example during an import
        return Interrupted(signal.SIGINT).code
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
        case "api" | "worker" | "register" | "sweep-once" as role:
            _warn_of_misspelled_settings()
            return _ROLES[role](arguments)
        case "export":
            return export.run(arguments, scope_pairs, declared_options["export"])
        case "schedules":
            return schedules.run(arguments, scope_pairs, declared_options["schedules"])
        case "completion":
            return completion.run(arguments, parser)
        case "keys":
            return keys_command.run(arguments)
        case "check" | "init" | "new" as command:
            return _PROJECT[command](arguments)
    return int(_CLIENT_COMMANDS[arguments.command].run(arguments))


_CLIENT_COMMANDS = {
    "list": list_exports,
    "show": show,
    "wait": wait,
    "download": download_file,
    "cancel": cancel,
    "reports": reports,
}


def _up(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    from deployments import up_command  # slow, because it imports the whole service

    return up_command.run(parser, arguments)


def _warn_of_misspelled_settings() -> None:
    from deployments.roles.settings import find_misspelled  # slow, because it imports the whole service

    for warning in find_misspelled(os.environ):
        print_to_stderr(f"report-exports: {warning}")


def _api(arguments: argparse.Namespace) -> int:
    from deployments.roles import api  # slow, because it imports the whole service

    return api.run(arguments)


def _worker(arguments: argparse.Namespace) -> int:
    from deployments.roles import worker

    return worker.run(arguments)


def _register(arguments: argparse.Namespace) -> int:
    from deployments.roles import registration

    return registration.run(arguments)


def _sweep_once(arguments: argparse.Namespace) -> int:
    from deployments.roles import sweep

    return sweep.run(arguments)


_ROLES = {"api": _api, "worker": _worker, "register": _register, "sweep-once": _sweep_once}


def _check(arguments: argparse.Namespace) -> int:
    from deployments.project import check_command

    return check_command.run(arguments)


def _new(arguments: argparse.Namespace) -> int:
    from deployments.project import new_command

    return new_command.run(arguments)


def _init(arguments: argparse.Namespace) -> int:
    from deployments.project import init_command

    return init_command.run(arguments)


_PROJECT = {"check": _check, "init": _init, "new": _new}


def _build_parser() -> tuple[argparse.ArgumentParser, dict[str, set[str]]]:
    """Return the parser, and a mapping from commands to the options that they declare.

    The mapping contains only the commands that also accept a report's scopes as options.
    """
    parser = argparse.ArgumentParser(prog="report-exports", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"report-exports {version('report-exports')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_up(commands)
    role_options.add_parsers(commands)
    declared_options = {"export": export_options.add_parser(commands)}
    for command in _CLIENT_COMMANDS.values():
        command.add_parser(commands)
    declared_options["schedules"] = schedule_options.add_parser(commands)
    keys_command.add_parser(commands)
    completion.add_parser(commands)
    project_options.add_parsers(commands)
    return parser, declared_options


def _add_up(commands: Commands) -> None:
    command = commands.add_parser("up", help="start the whole stack on this machine", allow_abbrev=False)
    role_options.add_host(command)
    command.add_argument(
        "--port",
        type=role_options.parse_port,
        help=f"port of the API (default: {API_PORT}); 0 picks a free one",
    )
    command.add_argument(
        "--prefect-port",
        type=role_options.parse_port,
        help=f"port of the Prefect server (default: {PREFECT_PORT}); 0 picks a free one",
    )
    command.add_argument(
        "--data-dir",
        type=role_options.parse_folder,
        default=Path(".local"),
        help="folder for all data (default: %(default)s/)",
    )
    command.add_argument(
        "--sample-responses",
        type=role_options.parse_sample_size,
        default=50_000,
        metavar="N",
        help="survey responses to generate on the first start (default: %(default)s)",
    )
    command.add_argument("--strict", action="store_true", help="stop if a report or a schedule is broken")
    command.add_argument(
        "--reload", action="store_true", help="restart the API and the worker when a report's file changes"
    )


if __name__ == "__main__":
    sys.exit(main())
