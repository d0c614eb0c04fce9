"""`report-exports list`: the exports there are, newest first, as a table or as JSON."""

import argparse
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from deployments.command_line import interrupts, pagination
from deployments.command_line.api_client import Problem, connected
from deployments.command_line.exit_codes import DONE, EXIT_CODES, Refused
from deployments.command_line.options.export_options import Commands
from deployments.command_line.options.service_options import add_service_options, api_key
from deployments.command_line.request_body import in_options
from deployments.command_line.text import table
from deployments.command_line.text.display import to_stderr
from deployments.command_line.text.plain_text import local_time, one_line, size

HEADINGS = ("ID", "REPORT", "NAME", "STATUS", "ROWS", "SIZE", "CREATED", "EXPIRES")


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "list",
        help="the exports there are",
        description="The exports there are, newest first. Times are those of this machine's zone.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--status", help="queued, running, finalizing, done, expired, error or cancelled")
    pagination.add_to(parser)
    add_service_options(parser)


def run(given: argparse.Namespace) -> int:
    with (
        interrupts.caught(),
        connected(given.api, api_key(), given.timeout, to_stderr) as service,
    ):
        try:
            chosen = {"status": given.status} if given.status is not None else {}
            jobs = list(pagination.items(service, "/exports", chosen, given.limit))
        except Problem as problem:
            raise Refused("\n".join(in_options(problem.errors, {})) or problem.detail) from None
    print_jobs(jobs, given.json)
    return DONE


def without_link(job: Mapping[str, Any]) -> dict[str, Any]:
    """Who holds the link may read the file: it stands in no output that others keep."""
    file = job.get("file")
    kept = file and {name: value for name, value in file.items() if name not in ("url", "urlExpiresAt")}
    return {**job, "file": kept}


def row(job: Mapping[str, Any], zone: tzinfo | None) -> list[str]:
    """`zone` None is this machine's."""
    file, rows = job.get("file") or {}, job["rows"]
    count = file.get("rows", rows["written"] if rows["expected"] is not None else None)
    return [
        one_line(str(job["id"])),
        one_line(str(job["report"])),
        one_line(str(job["name"] or "")),
        str(job["status"]),
        f"{count:,}" if count is not None else "",
        size(file["bytes"]) if file else "",
        local_time(job["createdAt"], zone),
        local_time(file.get("expiresAt"), zone),
    ]


def print_jobs(jobs: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        table.print_json([without_link(job) for job in jobs])
    elif jobs:
        table.print_table(HEADINGS, [row(job, None) for job in jobs])
    else:
        to_stderr("There are no exports.")
