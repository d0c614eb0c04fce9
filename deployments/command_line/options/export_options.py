"""What `report-exports export` can be told."""

import argparse
from collections.abc import Callable
from typing import Any, TypeAlias

from deployments.command_line.exit_codes import EXIT_CODES
from deployments.command_line.options.scope_options import Pair
from deployments.command_line.options.service_options import add_service_options

DESCRIPTION = """\
Start an export, wait for it, download its file and verify it. Ctrl-C cancels the export.
A report's own scopes are options too: one that is scoped by surveyId has --survey, or --survey-id."""
EXAMPLE = """\
example:
  report-exports export survey-responses --survey 668b6fa3b8d693cd865b44bb --from 2024-7-19 --to 2024-7-26 \\
    --filter utm=wa --filter isAttended=true -o week.csv
"""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Add: TypeAlias = Callable[..., Any]


def add_to(commands: Commands) -> set[str]:
    """The options' own names: any other one is the report's."""
    parser = commands.add_parser(
        "export",
        help="make a report's file and download it",
        description=DESCRIPTION,
        epilog=f"{EXAMPLE}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    known = {"--help", "-h"}

    def add(*names: str, **facts: Any) -> None:
        known.update(parser.add_argument(*names, **facts).option_strings)

    add_report(add)
    add("--from", dest="start", metavar="DAY", help="the first day, or a date-time with an offset")
    add("--to", dest="end", metavar="DAY", help="the last day, included; or a date-time, not included")
    add_choice(add)
    add("--time-zone", metavar="ZONE", help="in which days begin and times are written (UTC)")
    add("--name", help="the export's name")
    add_file(add)
    add("--detach", action="store_true", help="start only, and print the export's id")
    add("--idempotency-key", metavar="KEY", help="the same key is the same export for a day")
    known.update(add_service_options(parser))
    return known


def add_report(add: Add) -> None:
    add("report", metavar="REPORT", type=named, help="such as survey-responses")


def add_choice(add: Add) -> None:
    """Which rows and columns, and how they are written."""
    add("--scope", type=pair, action="append", default=[], metavar="NAME=VALUE", help="any scope by its name")
    add(
        *("--filter",),
        type=pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="true, 5 and null are read as JSON; repeat a name for any of its values",
    )
    add("--columns", metavar="KEYS", help="in the order wanted, separated by commas")
    add("--sort", metavar="KEYS", help="separated by commas, - before one for descending: --sort=-score")
    add("--csv", metavar="PRESET", help="how the CSV is written")
    add(
        *("--csv-option",),
        type=pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one option of it, such as header=keys",
    )


def add_file(add: Add) -> None:
    add("-o", "--output", metavar="FILE", help="- is stdout (the service's name for it, in this folder)")
    add("--force", action="store_true", help="overwrite an existing file")
    add("--quiet", action="store_true", help="print errors only")


def pair(text: str) -> Pair:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE.")
    return name, value


def named(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty.")
    return text
