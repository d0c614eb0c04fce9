"""Implement `report-exports schedules`, which creates, lists, changes and runs schedules."""

import argparse
import secrets
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from deployments.command_line.api_client import ApiClient, Problem, connect, parse_json
from deployments.command_line.commands.list_exports import print_jobs
from deployments.command_line.exit_codes import DONE, RequestRejected
from deployments.command_line.export_to_file import Destination, follow_and_download, start_export
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.options.schedule_options import ACTIONS_WITH_BODY
from deployments.command_line.options.scope_options import Pair, preferred_options
from deployments.command_line.options.service_options import read_api_key
from deployments.command_line.output_file import check_output
from deployments.command_line.pagination import fetch_items
from deployments.command_line.report_type import fetch_report_type
from deployments.command_line.schedule_body import build_schedule_body, describe_schedule_errors
from deployments.command_line.text import schedule_text, table
from deployments.command_line.text.display import open_display, print_to_stderr
from deployments.command_line.text.plain_text import strip_controls

Arguments = argparse.Namespace
FIELDS = ("id", "name", "enabled", "nextRuns")


def run(arguments: Arguments, scope_pairs: Sequence[Pair], declared_options: Collection[str]) -> int:
    """Run the command and return its exit code.

    `scope_pairs` contains the options that the report defines, with their values.
    """
    if arguments.action == "run":
        return _run_now(arguments)
    with (
        handle_signals(),
        connect(arguments.api, read_api_key(), arguments.timeout, print_to_stderr) as client,
    ):
        if arguments.action in ACTIONS_WITH_BODY:
            _create_or_preview(client, arguments, scope_pairs, declared_options)
        else:
            _ACTIONS[arguments.action](client, arguments)
    return DONE


def _create_or_preview(
    client: ApiClient, arguments: Arguments, scope_pairs: Sequence[Pair], declared_options: Collection[str]
) -> None:
    report = fetch_report_type(client, arguments.report)
    body = build_schedule_body(arguments, scope_pairs, report, declared_options)
    act = _create if arguments.action == "create" else _preview
    try:
        act(client, arguments, body)
    except Problem as problem:
        lines = describe_schedule_errors(problem.errors, preferred_options(report, declared_options))
        raise RequestRejected("\n".join(lines) or problem.detail) from None


def _create(client: ApiClient, arguments: Arguments, body: Mapping[str, Any]) -> None:
    # A random key makes it safe to resend the request if no response arrives.
    key = arguments.idempotency_key if arguments.idempotency_key is not None else secrets.token_hex(16)
    response = client.request("POST", "/schedules", {"Idempotency-Key": key}, json=body)
    schedule = parse_json(response, *FIELDS)
    sys.stdout.write(f"{strip_controls(str(schedule['id']))}\n")
    _print_next_runs(schedule)


def _preview(client: ApiClient, arguments: Arguments, body: Mapping[str, Any]) -> None:
    runs = parse_json(client.request("POST", "/schedules/preview", json=body), "runs")["runs"]
    sys.stdout.writelines(f"{line}\n" for line in schedule_text.format_planned_runs(runs))


def _list(client: ApiClient, arguments: Arguments) -> None:
    schedules = list(fetch_items(client, "/schedules", {}, arguments.limit))
    if arguments.json:
        table.print_json(schedules)
    elif schedules:
        rows = [schedule_text.format_row(schedule) for schedule in schedules]
        table.print_table(schedule_text.HEADINGS, rows)
    else:
        print_to_stderr("No schedules found.")


def _pause_or_resume(client: ApiClient, arguments: Arguments) -> None:
    change = {"enabled": arguments.action == "resume"}
    schedule = parse_json(client.request("PATCH", _schedule_path(arguments.id), json=change), *FIELDS)
    state = "active" if schedule["enabled"] else "paused"
    sys.stdout.write(f"{strip_controls(schedule['name'])} is {state}.\n")
    if schedule["enabled"]:
        _print_next_runs(schedule)


def _delete(client: ApiClient, arguments: Arguments) -> None:
    client.request("DELETE", _schedule_path(arguments.id))
    sys.stdout.write(f"Schedule {strip_controls(arguments.id)} was deleted. Its exports are kept.\n")


def _print_history(client: ApiClient, arguments: Arguments) -> None:
    path = f"{_schedule_path(arguments.id)}/runs"
    print_jobs(list(fetch_items(client, path, {}, arguments.limit)), arguments.json)


def _run_now(arguments: Arguments) -> int:
    """Start an export. With --output, wait for it and download its file. Otherwise, print its id."""
    wants_file = arguments.output is not None
    if wants_file:
        check_output(arguments.output, arguments.force)
    with (
        handle_signals() as signals,
        open_display(arguments.quiet) as display,
        connect(arguments.api, read_api_key(), arguments.timeout, display.print) as client,
    ):
        path = f"{_schedule_path(arguments.id)}/run"
        job, pause = start_export(client, path, arguments.idempotency_key, signals)
        if not wants_file:
            sys.stdout.write(f"{strip_controls(str(job['id']))}\n")
            return DONE
        destination = Destination(arguments.output, arguments.force)
        summary = follow_and_download(client, job, pause, destination, signals, display)
    if not arguments.quiet:
        print_to_stderr(summary)
    return DONE


def _print_next_runs(schedule: Mapping[str, Any]) -> None:
    for line in schedule_text.format_planned_runs(schedule["nextRuns"]):
        print_to_stderr(line)


def _schedule_path(schedule_id: str) -> str:
    return f"/schedules/{quote(schedule_id, safe='')}"


_ACTIONS: Mapping[str, Callable[[ApiClient, Arguments], None]] = {
    "list": _list,
    "pause": _pause_or_resume,
    "resume": _pause_or_resume,
    "delete": _delete,
    "history": _print_history,
}
