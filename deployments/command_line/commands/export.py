"""Implement `report-exports export`, which starts an export, waits for it and downloads its file."""

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from deployments.command_line.api_client import ApiClient, Problem, connect
from deployments.command_line.exit_codes import DONE, RequestRejected
from deployments.command_line.export_to_file import Destination, follow_and_download, start_export
from deployments.command_line.interrupts import SignalHandler, handle_signals
from deployments.command_line.options.scope_options import Pair, preferred_options
from deployments.command_line.options.service_options import read_api_key
from deployments.command_line.output_file import check_output
from deployments.command_line.polling import Job
from deployments.command_line.report_type import fetch_report_type
from deployments.command_line.request_body import build_request_body, describe_errors
from deployments.command_line.text.display import open_display, print_to_stderr


def run(arguments: argparse.Namespace, scope_pairs: Sequence[Pair], declared_options: Collection[str]) -> int:
    """Run the command and return its exit code.

    `scope_pairs` contains the options that the report defines, with their values.
    """
    if not arguments.detach:
        check_output(arguments.output, arguments.force)
    with (
        handle_signals() as signals,
        open_display(arguments.quiet) as display,
        connect(arguments.api, read_api_key(), arguments.timeout, display.print) as client,
    ):
        report = fetch_report_type(client, arguments.report)
        body = build_request_body(arguments, scope_pairs, report, declared_options, datetime.now(UTC))
        scope_names = preferred_options(report, declared_options)
        job, pause = _start(client, body, arguments.idempotency_key, scope_names, signals)
        if arguments.detach:
            sys.stdout.write(f"{job['id']}\n")
            return DONE
        destination = Destination(arguments.output, arguments.force)
        summary = follow_and_download(client, job, pause, destination, signals, display)
    if not arguments.quiet:
        print_to_stderr(summary)
    return DONE


def _start(
    client: ApiClient,
    body: Mapping[str, Any],
    key: str | None,
    scope_names: Mapping[str, str],
    signals: SignalHandler,
) -> tuple[Job, float]:
    try:
        return start_export(client, "/exports", key, signals, json=body)
    except Problem as problem:
        lines = describe_errors(problem.errors, scope_names)
        raise RequestRejected("\n".join(lines) or problem.detail) from None
