"""Implement `report-exports cancel`, which cancels an export and prints the outcome."""

import argparse
import sys

from deployments.command_line.api_client import connect
from deployments.command_line.cancel_export import cancel
from deployments.command_line.exit_codes import DONE, EXIT_CODES, RequestRejected
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.options.export_options import Commands
from deployments.command_line.options.service_options import add_service_options, read_api_key
from deployments.command_line.text.display import print_to_stderr
from deployments.command_line.text.plain_text import strip_controls


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "cancel",
        help="cancel an export",
        description="Cancel an export and print the outcome.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "id", metavar="ID", type=_parse_id, help="id of the export, from `export --detach` or `list`"
    )
    add_service_options(parser)


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


def _parse_id(text: str) -> str:
    if not text or text in (".", ".."):  # dots would change the URL path
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid export id.")
    return text
