"""Define the command-line options of `init`, `new` and `check`."""

import argparse
from pathlib import Path

from deployments.command_line.options.export_options import Commands


def add_parsers(commands: Commands) -> None:
    _add_init(commands)
    _add_new(commands)
    _add_check(commands)


def _add_init(commands: Commands) -> None:
    command = commands.add_parser(
        "init",
        help="create a project for your own reports",
        description="Create a folder with a package for reports, settings, schedules and a test.",
        allow_abbrev=False,
    )
    command.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="default: the current folder"
    )


def _add_new(commands: Commands) -> None:
    command = commands.add_parser(
        "new",
        help="write a report for a table or view of your database",
        description="Read a table or view of a database and write a report file. The database is that of"
        " REPORTS_DATABASE_URL, unless --database names another one.",
        allow_abbrev=False,
    )
    command.add_argument("table", metavar="TABLE", help="table or view, such as orders or sales.orders")
    command.add_argument("--name", help="name of the report (default: derived from the table)")
    command.add_argument(
        "--key", metavar="COLUMN", help="unique column that is never null (default: the primary key)"
    )
    command.add_argument("--database", metavar="NAME", help="a database in REPORTS_DATABASES")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write (default: in reports/ if it exists, otherwise in the current folder)",
    )


def _add_check(commands: Commands) -> None:
    command = commands.add_parser(
        "check",
        help="compile and run the reports against the database",
        description="Run each report's queries and print errors, warnings and times. Exits with 1 on errors.",
        allow_abbrev=False,
    )
    command.add_argument("report", nargs="?", metavar="REPORT", help="name of a report (default: all)")
    command.add_argument("--strict", action="store_true", help="exit with 1 on warnings, too")
    command.add_argument(
        "--seconds",
        type=_parse_seconds,
        default=60,
        metavar="N",
        help="time limit of each query (default: %(default)s)",
    )


def _parse_seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 86,400.")
    return int(text)
