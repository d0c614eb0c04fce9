"""Define the options of `report-exports schedules` and its actions."""

import argparse
from typing import Any

from deployments.command_line.exit_codes import EXIT_CODES
from deployments.command_line.options.export_options import (
    Commands,
    add_file,
    add_report,
    add_selection,
    parse_non_empty,
)
from deployments.command_line.options.service_options import add_service_options
from deployments.command_line.pagination import add_list_options

DESCRIPTION = """\
Create and manage schedules. Each run exports the days of --range, relative to its scheduled time.
`create` and `preview` accept the scopes and filters of a report, like `export`."""
EXAMPLE = """\
example:
  report-exports schedules create survey-responses --survey 668b6fa3b8d693cd865b44bb \\
    --filter isAttended=true --name "Weekly attendees" \\
    --cron "0 9 * * MON" --time-zone Europe/Madrid --range previous-week
"""
ACTIONS = {
    "list": "list the schedules",
    "create": "create a schedule, and print its id and next runs",
    "preview": "print the next runs and the days they would export, without creating a schedule",
    "pause": "pause a schedule",
    "resume": "resume a schedule",
    "run": "start an export now, even if the schedule is paused",
    "delete": "delete a schedule and keep its exports",
    "history": "list the exports of a schedule, newest first",
}
ACTIONS_WITH_BODY = ("create", "preview")


def add_parser(commands: Commands) -> set[str]:
    """Add the command and its actions. Return the option names of all actions.

    Options for the scopes of a report are not included.
    """
    parser = _add(
        commands, "schedules", "create and manage schedules", DESCRIPTION, f"{EXAMPLE}\n{EXIT_CODES}"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    declared_options = {"--help", "-h"}
    for action, summary in ACTIONS.items():
        action_parser = _add(actions, action, summary, f"{summary[0].upper()}{summary[1:]}.", EXIT_CODES)
        if action in ACTIONS_WITH_BODY:
            declared_options |= _add_body_options(action_parser, action)
        elif action != "list":
            action_parser.add_argument(
                "id", metavar="ID", type=parse_non_empty, help="id of the schedule, from `schedules list`"
            )
        if action in ("list", "history"):
            add_list_options(action_parser)
        if action == "run":
            add_file(action_parser.add_argument)
            action_parser.add_argument(
                "--idempotency-key", metavar="KEY", help="reuse the export that was started with this key"
            )
        declared_options |= {*add_service_options(action_parser)}
    return declared_options


def takes_scopes(arguments: list[str]) -> bool:
    return arguments[:1] == ["schedules"] and arguments[1:2] != [] and arguments[1] in ACTIONS_WITH_BODY


def _add(
    commands: Commands, name: str, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _add_body_options(parser: argparse.ArgumentParser, action: str) -> set[str]:
    declared_options: set[str] = set()

    def add(*names: str, **settings: Any) -> None:
        declared_options.update(parser.add_argument(*names, **settings).option_strings)

    add_report(add)
    add("--name", help="name of the schedule")
    declared_options.update(_add_recurrence(parser))
    add(
        "--time-zone",
        metavar="ZONE",
        help="time zone for the schedule, for day boundaries and for times in the file (default: UTC)",
    )
    add(
        "--range",
        metavar="DAYS",
        help="days that each run exports: a preset such as previous-week or yesterday,"
        " since-last, or fixed days FROM..TO",
    )
    add("--only-if-rows", action="store_true", help="create no file if a run has no rows")
    add_selection(add)
    add("--file-name", metavar="NAME", help="name of each export and its file")
    if action == "create":
        add("--idempotency-key", metavar="KEY", help="reuse the schedule that was created with this key")
    return declared_options


def _add_recurrence(parser: argparse.ArgumentParser) -> set[str]:
    kinds = parser.add_mutually_exclusive_group(required=True)
    options = [
        kinds.add_argument(
            "--cron", metavar="CRON", help='cron expression with five fields, such as "0 9 * * MON"'
        ),
        kinds.add_argument(
            "--every",
            metavar="DURATION",
            help="interval such as PT6H, P1D or P2W, counted from --anchor (default: now)",
        ),
        kinds.add_argument("--rrule", metavar="RULE", help="RFC 5545 recurrence rule, at most once a day"),
        parser.add_argument(
            "--anchor", metavar="TIMESTAMP", help="start of the --every intervals, with a UTC offset"
        ),
    ]
    return {name for option in options for name in option.option_strings}
