"""`report-exports schedules`: exports that recur, from a terminal."""

import argparse
import secrets
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from deployments.command_line import interrupts, output_file, pagination
from deployments.command_line.api_client import Problem, Service, connected, json_of
from deployments.command_line.commands.list_exports import print_jobs
from deployments.command_line.exit_codes import DONE, Refused
from deployments.command_line.export_to_file import Place, fetched, started
from deployments.command_line.options.schedule_options import DESCRIBED
from deployments.command_line.options.scope_options import Pair, shown_options
from deployments.command_line.options.service_options import api_key
from deployments.command_line.report_type import described
from deployments.command_line.schedule_body import in_recurring_options, recurring_body
from deployments.command_line.text import schedule_text, table
from deployments.command_line.text.display import shown, to_stderr
from deployments.command_line.text.plain_text import one_line

Given = argparse.Namespace
MEMBERS = ("id", "name", "enabled", "nextRuns")


def run(given: Given, options: Sequence[Pair], known: Collection[str]) -> int:
    """`options` are those that only the report knows; `known` are all others."""
    if given.action == "run":
        return _run_now(given)
    with interrupts.caught(), connected(given.api, api_key(), given.timeout, to_stderr) as service:
        if given.action in DESCRIBED:
            _with_description(service, given, options, known)
        else:
            _ACTIONS[given.action](service, given)
    return DONE


def _with_description(
    service: Service, given: Given, options: Sequence[Pair], known: Collection[str]
) -> None:
    report = described(service, given.report)
    body = recurring_body(given, options, report, known)
    act = _create if given.action == "create" else _preview
    try:
        act(service, given, body)
    except Problem as problem:
        sentences = in_recurring_options(problem.errors, shown_options(report, known))
        raise Refused("\n".join(sentences) or problem.detail) from None


def _create(service: Service, given: Given, body: Mapping[str, Any]) -> None:
    # With a key of its own, what was sent and not answered can be sent again.
    key = given.idempotency_key if given.idempotency_key is not None else secrets.token_hex(16)
    answer = service.ask("POST", "/schedules", {"Idempotency-Key": key}, json=body)
    made = json_of(answer, *MEMBERS)
    sys.stdout.write(f"{one_line(str(made['id']))}\n")
    _tell_runs(made)


def _preview(service: Service, given: Given, body: Mapping[str, Any]) -> None:
    runs = json_of(service.ask("POST", "/schedules/preview", json=body), "runs")["runs"]
    sys.stdout.writelines(f"{line}\n" for line in schedule_text.planned(runs))


def _list(service: Service, given: Given) -> None:
    found = list(pagination.items(service, "/schedules", {}, given.limit))
    if given.json:
        table.print_json(found)
    elif found:
        table.print_table(schedule_text.HEADINGS, [schedule_text.row(each) for each in found])
    else:
        to_stderr("There are no recurring exports.")


def _switch(service: Service, given: Given) -> None:
    answer = service.ask("PATCH", _path(given.id), json={"enabled": given.action == "resume"})
    changed = json_of(answer, *MEMBERS)
    sys.stdout.write(f"{one_line(changed['name'])} is {'active' if changed['enabled'] else 'paused'}.\n")
    if changed["enabled"]:
        _tell_runs(changed)


def _delete(service: Service, given: Given) -> None:
    service.ask("DELETE", _path(given.id))
    sys.stdout.write(f"Recurring export {one_line(given.id)} is removed; its exports stay.\n")


def _history(service: Service, given: Given) -> None:
    print_jobs(list(pagination.items(service, f"{_path(given.id)}/runs", {}, given.limit)), given.json)


def _run_now(given: Given) -> int:
    """Its id, or with --output its file."""
    follows = given.output is not None
    if follows:
        output_file.check(given.output, given.force)
    with (
        interrupts.caught() as signals,
        shown(given.quiet) as display,
        connected(given.api, api_key(), given.timeout, display.say) as service,
    ):
        job, pause = started(service, f"{_path(given.id)}/run", given.idempotency_key, signals)
        if not follows:
            sys.stdout.write(f"{one_line(str(job['id']))}\n")
            return DONE
        last_words = fetched(service, job, pause, Place(given.output, given.force), signals, display)
    if not given.quiet:
        to_stderr(last_words)
    return DONE


def _tell_runs(schedule: Mapping[str, Any]) -> None:
    for line in schedule_text.planned(schedule["nextRuns"]):
        to_stderr(line)


def _path(schedule_id: str) -> str:
    return f"/schedules/{quote(schedule_id, safe='')}"


_ACTIONS: Mapping[str, Callable[[Service, Given], None]] = {
    "list": _list,
    "pause": _switch,
    "resume": _switch,
    "delete": _delete,
    "history": _history,
}
