"""Implement `report-exports wait`, which waits for an export that another command has started."""

import argparse

from deployments.command_line.api_client import connect
from deployments.command_line.exit_codes import DONE, OperationFailed
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.options.export_options import Commands, add_export_command
from deployments.command_line.options.service_options import read_api_key
from deployments.command_line.polling import fetch_job, wait_until_ended
from deployments.command_line.text import progress_text
from deployments.command_line.text.display import open_display


def add_parser(commands: Commands) -> None:
    parser = add_export_command(
        commands,
        "wait",
        "wait until an export has ended",
        "Wait until an export has ended. Ctrl-C stops waiting and does not cancel the export.",
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(arguments: argparse.Namespace) -> int:
    with (
        handle_signals(),
        open_display(arguments.quiet) as display,
        connect(arguments.api, read_api_key(), arguments.timeout, display.print) as client,
    ):
        job = wait_until_ended(client, fetch_job(client, arguments.id), display.show_job)
    if job["status"] != "done" and not progress_text.has_no_rows(job):
        raise OperationFailed(progress_text.format_failure(job))
    return DONE
