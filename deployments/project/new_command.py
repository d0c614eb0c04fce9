"""Implement `report-exports new`, which writes a report for a table or view."""

import argparse
import re
import sys
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from deployments.command_line.exit_codes import DONE, OperationFailed, RequestRejected
from deployments.project.check_command import connection_to
from deployments.project.reflection import Reflected, reflect
from deployments.project.report_source import identifier, names_of, report_source
from flows.sources.report_check import describe

REPORTS = Path("reports")


def run(arguments: argparse.Namespace) -> int:
    database = arguments.database or ""
    try:
        with connection_to(database) as engine, engine.connect() as connection:
            reflected = reflect(connection, arguments.table)
    except DBAPIError as error:
        raise OperationFailed(f"The database cannot be read: {describe(error, database)}") from None
    name = arguments.name or identifier(reflected.name).strip("_").replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise RequestRejected(f"--name: {name!r} must be lower-case words joined by hyphens.")
    file = _choose_file(arguments.output, name)
    _write(file, report_source(reflected, name, _keys(reflected, arguments.key), database))
    sys.stdout.write(f"{file}\n")
    sys.stderr.write(f"Edit it, then run: report-exports check {name}\n")
    return DONE


def _choose_file(output: Path | None, name: str) -> Path:
    if output is not None:
        return output
    folder = REPORTS if REPORTS.is_dir() else Path()
    return folder / f"{name.replace('-', '_')}.py"


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise RequestRejected(f"{file} exists. Use another --name, or -o FILE.") from None
    except OSError as error:
        raise OperationFailed(f"{file} cannot be written: {error.strerror}.") from None


def _keys(reflected: Reflected, option: str | None) -> list[str]:
    if option is None:
        return reflected.keys or [_ask(reflected)]
    keys = [name.strip() for name in option.split(",")]
    if unknown := [name for name in keys if name not in names_of(reflected)]:
        raise RequestRejected(f"--key: no column is named {unknown[0]!r}. {_choices(reflected)}")
    return keys


def _ask(reflected: Reflected) -> str:
    question = f"{reflected.name} has no primary key. Which column is unique and never null?"
    if not sys.stdin.isatty():
        raise RequestRejected(f"{question} Name it with --key COLUMN. {_choices(reflected)}")
    sys.stderr.write(f"{question} {_choices(reflected)}\n")
    while (answer := input("key: ").strip()) not in names_of(reflected):
        sys.stderr.write(f"No column is named {answer!r}.\n")
    return answer


def _choices(reflected: Reflected) -> str:
    return f"Columns: {', '.join(names_of(reflected))}."
