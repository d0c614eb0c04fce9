"""Implement `report-exports download`, which downloads and verifies the file of an earlier export."""

import argparse

from deployments.command_line.api_client import connect
from deployments.command_line.exit_codes import DONE, OperationFailed, RequestRejected
from deployments.command_line.export_to_file import Destination, download_to
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.options.export_options import Commands, add_export_command, add_file
from deployments.command_line.options.service_options import read_api_key
from deployments.command_line.output_file import check_output
from deployments.command_line.polling import FINAL, fetch_job
from deployments.command_line.text import progress_text
from deployments.command_line.text.display import open_display, print_to_stderr


def add_parser(commands: Commands) -> None:
    parser = add_export_command(
        commands,
        "download",
        "download the file of an export",
        "Download the file of an export that has finished, and verify it.",
    )
    add_file(parser.add_argument)


def run(arguments: argparse.Namespace) -> int:
    check_output(arguments.output, arguments.force)
    with (
        handle_signals(),
        open_display(arguments.quiet) as display,
        connect(arguments.api, read_api_key(), arguments.timeout, display.print) as client,
    ):
        job = fetch_job(client, arguments.id)
        if job["status"] not in FINAL:
            raise RequestRejected(
                f"Export {arguments.id} has not finished. Run `report-exports wait {arguments.id}` first."
            )
        if job["status"] != "done":
            raise OperationFailed(progress_text.format_failure(job))
        summary = download_to(client, job, Destination(arguments.output, arguments.force), display)
    if not arguments.quiet:
        print_to_stderr(summary)
    return DONE
