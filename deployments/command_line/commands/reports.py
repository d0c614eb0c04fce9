"""Implement `report-exports reports`, which lists the reports or describes one of them."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from deployments.command_line.api_client import ApiClient, connect, parse_json
from deployments.command_line.exit_codes import DONE, EXIT_CODES
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.options.export_options import Commands
from deployments.command_line.options.service_options import add_service_options, read_api_key
from deployments.command_line.report_type import fetch_report_type
from deployments.command_line.text import table
from deployments.command_line.text.display import print_to_stderr
from deployments.command_line.text.plain_text import strip_controls

Report = Mapping[str, Any]


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "reports",
        help="list the reports, or describe one",
        description="List the reports that you may export, or describe one of them in detail.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("report", nargs="?", metavar="REPORT", help="name of a report")
    parser.add_argument("--json", action="store_true", help="print all fields as JSON")
    add_service_options(parser)


def run(arguments: argparse.Namespace) -> int:
    with (
        handle_signals(),
        connect(arguments.api, read_api_key(), arguments.timeout, print_to_stderr) as client,
    ):
        if arguments.report is None:
            _print_list(client, arguments.json)
        else:
            _print_report(fetch_report_type(client, arguments.report), arguments.json)
    return DONE


def _print_list(client: ApiClient, as_json: bool) -> None:
    reports = parse_json(client.request("GET", "/report-types"), "items")["items"]
    if as_json:
        table.print_json(reports)
    elif reports:
        table.print_table(("REPORT", "TITLE"), [_cells(item["name"], item["title"]) for item in reports])
    else:
        print_to_stderr("No reports found.")


def _print_report(report: Report, as_json: bool) -> None:
    if as_json:
        table.print_json(report)
        return
    sys.stdout.write(f"{strip_controls(report['name'])}: {strip_controls(report['title'])}\n")
    for title, headings, rows in (
        ("Scopes and dates", ("NAME", "LABEL", "REQUIRED"), _parameters(report)),
        ("Filters", ("NAME", "LABEL", "TYPE", "CHOICES"), _filters(report)),
        ("Columns", ("KEY", "LABEL", "TYPE", "NOTES"), _columns(report)),
    ):
        if cells := list(rows):
            sys.stdout.write(f"\n{title}\n")
            table.print_table(headings, cells)


def _parameters(report: Report) -> Iterator[list[str]]:
    for item in report["parameters"]:
        yield _cells(item["name"], item["label"], "yes" if item["required"] else "no")


def _filters(report: Report) -> Iterator[list[str]]:
    for item in report["filters"]:
        choices = ", ".join(str(choice) for choice in item.get("choices") or ())
        yield _cells(item["name"], item["label"], item["type"], choices)


def _columns(report: Report) -> Iterator[list[str]]:
    for item in report["columns"]:
        notes = [note for note in ("pii", "masked") if item.get(note)]
        yield _cells(item["key"], item["label"], item["type"], ", ".join(notes))


def _cells(*values: object) -> list[str]:
    return [strip_controls(str(value)) for value in values]
