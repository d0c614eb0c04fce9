"""`report-exports cancel`: stops an export, and says what became of it."""

import argparse
import sys

from deployments.command_line import interrupts
from deployments.command_line.api_client import connected
from deployments.command_line.cancel_export import cancel
from deployments.command_line.exit_codes import DONE, EXIT_CODES, Refused
from deployments.command_line.options.export_options import Commands
from deployments.command_line.options.service_options import add_service_options, api_key
from deployments.command_line.text.display import to_stderr
from deployments.command_line.text.plain_text import one_line


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "cancel",
        help="stop an export",
        description="Stop an export, and say what became of it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("id", metavar="ID", type=_an_id, help="as export --detach and list print it")
    add_service_options(parser)


def run(given: argparse.Namespace) -> int:
    with (
        interrupts.caught(),
        connected(given.api, api_key(), given.timeout, to_stderr) as service,
    ):
        job = cancel(service, given.id, lambda job: None)
    if job["status"] != "cancelled":
        raise Refused(f"Export {one_line(job['id'])} had already ended: {job['status']}.")
    sys.stdout.write(f"Export {one_line(job['id'])} is cancelled.\n")
    return DONE


def _an_id(text: str) -> str:
    if not text or text in (".", ".."):  # a path's own words
        raise argparse.ArgumentTypeError(f"{text!r} is no export's id.")
    return text
