"""Implement `report-exports list`, which prints exports as a table or as JSON, newest first."""

import argparse
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from deployments.command_line.api_client import Problem, connect
from deployments.command_line.exit_codes import DONE, EXIT_CODES, RequestRejected
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.options.export_options import Commands
from deployments.command_line.options.service_options import add_service_options, read_api_key
from deployments.command_line.pagination import add_list_options, fetch_items
from deployments.command_line.request_body import describe_errors
from deployments.command_line.text import table
from deployments.command_line.text.display import print_to_stderr
from deployments.command_line.text.plain_text import format_local_time, format_size, strip_controls

HEADINGS = ("ID", "REPORT", "NAME", "STATUS", "ROWS", "SIZE", "CREATED", "EXPIRES")


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "list",
        help="list exports",
        description="List your exports, newest first. Times are in the time zone of this machine.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--status",
        help="only exports with this status: queued, running, finalizing, done, expired, error or cancelled",
    )
    parser.add_argument(
        "--search",
        metavar="TEXT",
        help="only exports whose name, report, schedule, file name or id contains this text; case is ignored",
    )
    add_list_options(parser)
    add_service_options(parser)


def run(arguments: argparse.Namespace) -> int:
    with (
        handle_signals(),
        connect(arguments.api, read_api_key(), arguments.timeout, print_to_stderr) as client,
    ):
        try:
            options = {"status": arguments.status, "search": arguments.search}
            query = {name: value for name, value in options.items() if value is not None}
            jobs = list(fetch_items(client, "/exports", query, arguments.limit))
        except Problem as problem:
            lines = describe_errors(problem.errors, {})
            raise RequestRejected("\n".join(lines) or problem.detail) from None
    print_jobs(jobs, arguments.json)
    return DONE


def remove_link(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the job without its signed link.

    The link gives access to the file, and the output may be logged.
    """
    file = job.get("file")
    public = file and {name: value for name, value in file.items() if name not in ("url", "urlExpiresAt")}
    return {**job, "file": public}


def format_row(job: Mapping[str, Any], zone: tzinfo | None) -> list[str]:
    """Return the table cells for an export. If `zone` is None, times are in this machine's time zone."""
    file, rows = job.get("file") or {}, job["rows"]
    row_count = file.get("rows", rows["written"] if rows["expected"] is not None else None)
    return [
        strip_controls(str(job["id"])),
        strip_controls(str(job["report"])),
        strip_controls(str(job["name"] or "")),
        str(job["status"]),
        f"{row_count:,}" if row_count is not None else "",
        format_size(file["bytes"]) if file else "",
        format_local_time(job["createdAt"], zone),
        format_local_time(file.get("expiresAt"), zone),
    ]


def print_jobs(jobs: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        table.print_json([remove_link(job) for job in jobs])
    elif jobs:
        table.print_table(HEADINGS, [format_row(job, None) for job in jobs])
    else:
        print_to_stderr("No exports found.")
