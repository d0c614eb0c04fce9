"""Implement `report-exports cancel`, which cancels an export and prints the outcome."""

import argparse
import sys

from deployments.command_line.api_client import connect
from deployments.command_line.cancel_export import cancel
from deployments.command_line.exit_codes import DONE, RequestRejected
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.options.export_options import Commands, add_export_command
from deployments.command_line.options.service_options import read_api_key
from deployments.command_line.text.display import print_to_stderr
from deployments.command_line.text.plain_text import strip_controls


def add_parser(commands: Commands) -> None:
    add_export_command(commands, "cancel", "cancel an export", "Cancel an export and print the outcome.")


def run(arguments: argparse.Namespace) -> int:
    with (
        handle_signals(),
        connect(arguments.api, read_api_key(), arguments.timeout, print_to_stderr) as client,
    ):
        job = cancel(client, arguments.id, lambda job: None)
    if job["status"] != "cancelled":
        raise RequestRejected(f"Export {strip_controls(job['id'])} had already ended: {job['status']}.")
    sys.stdout.write(f"Export {strip_controls(job['id'])} was cancelled.\n")
    return DONE
