"""What `report-exports schedules` can be told."""

import argparse
from typing import Any

from deployments.command_line import pagination
from deployments.command_line.exit_codes import EXIT_CODES
from deployments.command_line.options.export_options import (
    Commands,
    add_choice,
    add_file,
    add_report,
    named,
)
from deployments.command_line.options.service_options import add_service_options

DESCRIPTION = """\
Exports that recur: each run covers days that are told from the time that it was planned for.
`create` and `preview` take the scopes and options of a report as `export` does."""
EXAMPLE = """\
example:
  report-exports schedules create survey-responses --survey 668b6fa3b8d693cd865b44bb \\
    --filter isAttended=true --name "Weekly attendees" \\
    --cron "0 9 * * MON" --time-zone Europe/Madrid --range previous-week
"""
ACTIONS = {
    "list": "the recurring exports there are",
    "create": "make one, and tell its next runs",
    "preview": "the next runs and the days that each would cover; makes nothing",
    "pause": "plan no more runs",
    "resume": "plan runs again",
    "run": "an export now, whether it is paused or not",
    "delete": "remove it; its exports stay",
    "history": "its exports, newest first",
}
DESCRIBED = ("create", "preview")


def add_to(commands: Commands) -> set[str]:
    """The own names of the options of `create` and `preview`: any other one is the report's."""
    parser = _parser(commands, "schedules", "exports that recur", DESCRIPTION, f"{EXAMPLE}\n{EXIT_CODES}")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    known = {"--help", "-h"}
    for action, does in ACTIONS.items():
        made = _parser(actions, action, does, f"{does[0].upper()}{does[1:]}.", EXIT_CODES)
        if action in DESCRIBED:
            known |= _add_description(made, action)
        elif action != "list":
            made.add_argument("id", metavar="ID", type=named, help="as `schedules list` prints it")
        if action in ("list", "history"):
            pagination.add_to(made)
        if action == "run":
            add_file(made.add_argument)
            made.add_argument("--idempotency-key", metavar="KEY", help="the same key is the same export")
        known |= {*add_service_options(made)}
    return known


def takes_scopes(arguments: list[str]) -> bool:
    return arguments[:1] == ["schedules"] and arguments[1:2] != [] and arguments[1] in DESCRIBED


def _parser(
    commands: Commands, name: str, does: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=does,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _add_description(parser: argparse.ArgumentParser, action: str) -> set[str]:
    known: set[str] = set()

    def add(*names: str, **facts: Any) -> None:
        known.update(parser.add_argument(*names, **facts).option_strings)

    add_report(add)
    add("--name", help="of the recurring export")
    known.update(_add_recurrence(parser))
    add("--time-zone", metavar="ZONE", help="of the recurrence, of days, and of times in the file (UTC)")
    add(
        "--range",
        metavar="DAYS",
        help="previous-week, yesterday, …; since-last; or FROM..TO, always the same",
    )
    add("--only-if-rows", action="store_true", help="a run without rows makes no file")
    add_choice(add)
    add("--file-name", metavar="NAME", help="the name of each run's export and file")
    if action == "create":
        add("--idempotency-key", metavar="KEY", help="the same key is the same recurring export")
    return known


def _add_recurrence(parser: argparse.ArgumentParser) -> set[str]:
    kinds = parser.add_mutually_exclusive_group(required=True)
    added = [
        kinds.add_argument("--cron", metavar="CRON", help='five fields, such as "0 9 * * MON"'),
        kinds.add_argument(
            "--every", metavar="DURATION", help="PT6H, P1D, P2W; counted from --anchor, or from now"
        ),
        kinds.add_argument("--rrule", metavar="RULE", help="one rule of RFC 5545, daily or rarer"),
        parser.add_argument("--anchor", metavar="MOMENT", help="from which --every counts, with an offset"),
    ]
    return {name for each in added for name in each.option_strings}
