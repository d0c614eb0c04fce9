"""Implement `report-exports show`, which prints the state of an export."""

import argparse
import sys
from collections.abc import Iterator

from deployments.command_line.api_client import connect
from deployments.command_line.commands.list_exports import remove_link
from deployments.command_line.exit_codes import DONE
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.options.export_options import Commands, add_export_command
from deployments.command_line.options.service_options import read_api_key
from deployments.command_line.polling import Job, fetch_job
from deployments.command_line.text import progress_text, table
from deployments.command_line.text.display import print_to_stderr
from deployments.command_line.text.plain_text import (
    format_count,
    format_local_time,
    format_size,
    strip_controls,
)


def add_parser(commands: Commands) -> None:
    parser = add_export_command(
        commands, "show", "show the state of an export", "Times are in the time zone of this machine."
    )
    parser.add_argument("--json", action="store_true", help="print all fields as JSON")


def run(arguments: argparse.Namespace) -> int:
    with (
        handle_signals(),
        connect(arguments.api, read_api_key(), arguments.timeout, print_to_stderr) as client,
    ):
        job = fetch_job(client, arguments.id)
    if arguments.json:
        table.print_json(remove_link(job))
    else:
        sys.stdout.writelines(f"{label:<9} {strip_controls(text)}\n" for label, text in _lines(job))
    return DONE


def _lines(job: Job) -> Iterator[tuple[str, str]]:
    yield "Report", str(job["report"])
    if job.get("name"):
        yield "Name", str(job["name"])
    progress = progress_text.format_progress(job, None) if job["status"] != "done" else ""
    yield "Status", f"{job['status']}{', ' if progress else ''}{progress}"
    if job.get("error"):
        yield "Reason", progress_text.format_failure(job)
    yield "Created", format_local_time(job["createdAt"], None)
    if file := job.get("file"):
        yield "File", f"{file['name']}: {format_count(file['rows'], 'row')}, {format_size(file['bytes'])}"
        yield "SHA-256", str(file["sha256"])
        yield "Expires", format_local_time(file.get("expiresAt"), None)
