"""`report-exports export`: start, follow, download, verify."""

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deployments.command_line import interrupts, output_file
from deployments.command_line.api_client import Problem, Service, connected
from deployments.command_line.exit_codes import DONE, Refused
from deployments.command_line.export_to_file import Place, fetched, started
from deployments.command_line.interrupts import Interrupts
from deployments.command_line.options.scope_options import Pair, shown_options
from deployments.command_line.options.service_options import api_key
from deployments.command_line.polling import Job
from deployments.command_line.report_type import described
from deployments.command_line.request_body import in_options, request_body
from deployments.command_line.text.display import shown, to_stderr


def run(given: argparse.Namespace, options: Sequence[Pair], known: Collection[str]) -> int:
    """`options` are those that only the report knows; `known` are all others."""
    if not given.detach:
        output_file.check(given.output, given.force)
    with (
        interrupts.caught() as signals,
        shown(given.quiet) as display,
        connected(given.api, api_key(), given.timeout, display.say) as service,
    ):
        report = described(service, given.report)
        body = request_body(given, options, report, known)
        names = shown_options(report, known)
        job, pause = _started(service, body, given.idempotency_key, names, signals)
        if given.detach:
            sys.stdout.write(f"{job['id']}\n")
            return DONE
        place = Place(given.output, given.force)
        last_words = fetched(service, job, pause, place, signals, display)
    if not given.quiet:
        to_stderr(last_words)
    return DONE


def _started(
    service: Service, body: Mapping[str, Any], key: str | None, names: Mapping[str, str], signals: Interrupts
) -> tuple[Job, float]:
    try:
        return started(service, "/exports", key, signals, json=body)
    except Problem as problem:
        sentences = in_options(problem.errors, names)
        raise Refused("\n".join(sentences) or problem.detail) from None
