"""`report-exports list`: the exports there are, newest first, as a table or as JSON."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployments.command_line import interrupts
from deployments.command_line.display import to_stderr
from deployments.command_line.endings import DONE, EXIT_CODES, Refused
from deployments.command_line.export_options import Commands
from deployments.command_line.plain_text import one_line, size
from deployments.command_line.request_body import in_options
from deployments.command_line.service import Problem, Service, connected, json_of
from deployments.command_line.service_options import add_service_options, api_key

DEFAULT_LIMIT, LARGEST_PAGE, MOST = 20, 100, 10_000
HEADINGS = ("ID", "REPORT", "NAME", "STATUS", "ROWS", "SIZE", "CREATED", "EXPIRES")
# A file that is piped on is not cut to anybody's screen.
NO_SCREEN_WIDTH = 10_000
ID_WIDTH = 36


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
    parser.add_argument(
        "--limit", type=_limit, default=DEFAULT_LIMIT, metavar="N", help="at most so many (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="everything that is known, as a JSON array")
    add_service_options(parser)


def run(given: argparse.Namespace) -> int:
    with (
        interrupts.caught(),
        connected(given.api, api_key(), given.timeout, to_stderr) as service,
    ):
        try:
            jobs = list(_jobs(service, given.status, given.limit))
        except Problem as problem:
            raise Refused("\n".join(in_options(problem.errors, {})) or problem.detail) from None
    if given.json:
        found = json.dumps([without_link(job) for job in jobs], indent=2, ensure_ascii=False)
        sys.stdout.write(f"{found}\n")
    elif jobs:
        _print(jobs)
    else:
        to_stderr("There are no exports.")
    return DONE


def _jobs(service: Service, status: str | None, limit: int) -> Iterator[Mapping[str, Any]]:
    chosen = {"status": status} if status is not None else {}
    while limit > 0:
        params = {**chosen, "limit": str(min(limit, LARGEST_PAGE))}
        page = json_of(service.ask("GET", "/exports", params=params), "items", "nextCursor")
        yield from page["items"]
        limit -= len(page["items"])
        if page["nextCursor"] is None or not page["items"]:
            return
        chosen["cursor"] = page["nextCursor"]


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
        _time(job["createdAt"], zone),
        _time(file.get("expiresAt"), zone),
    ]


def _time(text: str | None, zone: tzinfo | None) -> str:
    return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M}" if text else ""


def _print(jobs: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        right = heading in ("ROWS", "SIZE")
        table.add_column(
            heading,
            justify="right" if right else "left",
            no_wrap=heading != "NAME",
            min_width=ID_WIDTH if heading == "ID" else None,  # half an id is of no use
        )
    for job in jobs:
        table.add_row(*(Text(cell) for cell in row(job, None)))
    width = None if sys.stdout.isatty() else NO_SCREEN_WIDTH
    Console(width=width, highlight=False).print(table)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r}: it is a number from 1 to {MOST:,}.")
    return int(text)
