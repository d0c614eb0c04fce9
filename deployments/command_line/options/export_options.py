"""Define the options of `report-exports export`. `report-exports schedules` shares some of them."""

import argparse
import re
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, TypeAlias

from deployments.command_line.date_presets import PRESETS
from deployments.command_line.exit_codes import EXIT_CODES
from deployments.command_line.options.scope_options import Pair
from deployments.command_line.options.service_options import add_service_options

DESCRIPTION = """\
Start an export, wait for it, download its file and verify it. Ctrl-C cancels the export.
Each scope of a report is also an option: a report with the scope surveyId has --survey and --survey-id."""
EXAMPLE = """\
example:
  report-exports export survey-responses --survey 668b6fa3b8d693cd865b44bb --from 2024-7-19 --to 2024-7-26 \\
    --filter utm=wa --filter isAttended=true -o week.csv
"""

_OPERATORS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt", "!=": "not"}
_FILTER = re.compile(r"([^=<>!\[\]]+(?:\[\w+\](?==))?)(>=|<=|!=|=|>|<)(.*)", re.DOTALL)
FORMATS = ("csv", "xlsx", "parquet", "jsonl")

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
AddOption: TypeAlias = Callable[..., Any]


def add_parser(commands: Commands) -> set[str]:
    """Add the command and return the names of its options.

    Options for the scopes of a report are not included.
    """
    parser = commands.add_parser(
        "export",
        help="export a report and download the file",
        description=DESCRIPTION,
        epilog=f"{EXAMPLE}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    declared_options = {"--help", "-h"}

    def add(*names: str, **settings: Any) -> None:
        declared_options.update(parser.add_argument(*names, **settings).option_strings)

    add_report(add)
    add("--from", dest="start", metavar="DAY", help="first day, or a timestamp with a UTC offset")
    add("--to", dest="end", metavar="DAY", help="last day (inclusive), or a timestamp (exclusive)")
    add(
        "--dates",
        choices=PRESETS,
        metavar="PRESET",
        help=f"set both days, relative to the current day: {', '.join(PRESETS)}",
    )
    add_selection(add)
    add(
        "--time-zone",
        metavar="ZONE",
        help="time zone for day boundaries and for times in the file (default: UTC)",
    )
    add("--name", help="name of the export and its file")
    add_file(add)
    add("--detach", action="store_true", help="start the export, print its id and exit")
    add(
        "--idempotency-key",
        metavar="KEY",
        help="reuse the export that was started with this key in the last 24 hours",
    )
    declared_options.update(add_service_options(parser))
    return declared_options


def add_export_command(commands: Commands, name: str, summary: str, description: str) -> ArgumentParser:
    """Add a command that takes the id of an export as its argument."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "id", metavar="ID", type=_parse_id, help="id of the export, from `export --detach` or `list`"
    )
    add_service_options(parser)
    return parser


def add_report(add: AddOption) -> None:
    add("report", metavar="REPORT", type=parse_non_empty, help="name of the report, such as survey-responses")


def add_selection(add: AddOption) -> None:
    """Add the options that select rows, columns and the format."""
    _add_pairs(add, "--scope", "set a scope by its name, such as surveyId=…")
    add(
        "--filter",
        type=parse_filter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="export only matching rows; values such as true, 5 and null are parsed as JSON;"
        " repeat a name to match any of several values; other operators are NAME>=VALUE, NAME>VALUE,"
        " NAME<=VALUE, NAME<VALUE, NAME!=VALUE, NAME[contains]=TEXT and NAME[null]=false",
    )
    add(
        "--columns",
        metavar="KEYS",
        help="columns to export, in the order they appear in the file, separated by commas",
    )
    add(
        "--sort",
        metavar="KEYS",
        help="sort keys, separated by commas; use - for descending: --sort=-score",
    )
    add("--format", metavar="FORMAT", help=f"format of the file: {', '.join(FORMATS)} (default: csv)")
    _add_pairs(add, "--format-option", "set one option of the format, such as compression=gzip")
    add("--csv", metavar="PRESET", help="preset of the CSV format: plain, rfc4180 or excel")
    _add_pairs(add, "--csv-option", "set one option of the CSV format, such as header=keys")
    _add_pairs(add, "--answers", "columns of the answers: multiple=columns or both, values=labels or codes")
    add("--codebook", action="store_true", help="add a codebook to the zip or the workbook")


def _add_pairs(add: AddOption, name: str, help_text: str) -> None:
    add(name, type=parse_pair, action="append", default=[], metavar="NAME=VALUE", help=help_text)


def add_file(add: AddOption) -> None:
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="file or folder to write to, or - for stdout"
        "  (default: the service's name, in the current folder)",
    )
    add("--force", action="store_true", help="overwrite an existing file")
    add("--quiet", action="store_true", help="print errors only")


def parse_pair(text: str) -> Pair:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form NAME=VALUE.")
    return name, value


def parse_filter(text: str) -> Pair:
    """Parse a filter such as `total=5`, `total[gte]=5` or `total>=5`. The last two are equivalent."""
    match = _FILTER.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form NAME=VALUE.")
    name, symbol, value = match.groups()
    return (name if symbol == "=" else f"{name}[{_OPERATORS[symbol]}]"), value


def parse_non_empty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty.")
    return text


def _parse_id(text: str) -> str:
    if not text or text in (".", ".."):  # dots would change the URL path
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid export id.")
    return text
