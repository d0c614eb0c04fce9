"""Build the body of `POST /schedules` from options, and map the service's errors back to options."""

from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deployments.command_line.options.scope_options import Pair
from deployments.command_line.request_body import build_selection, describe_errors, drop_nones

SINCE_LAST = "since-last"
# `--name` is the name of the schedule, so the name of its exports needs a different option.
_EXPORT_NAME_OPTION = "--file-name"


def build_schedule_body(
    arguments: Namespace,
    scope_pairs: Sequence[Pair],
    report: Mapping[str, Any],
    declared_options: Collection[str],
) -> dict[str, Any]:
    recurrence = {
        "cron": arguments.cron,
        "every": arguments.every,
        "rrule": arguments.rrule,
        "anchor": arguments.anchor,
        "timeZone": arguments.time_zone,
    }
    selection = build_selection(arguments, scope_pairs, report, declared_options)
    body = {
        "name": arguments.name,
        "recurrence": drop_nones(recurrence),
        "range": parse_range(arguments.range) if arguments.range is not None else None,
        "export": {**selection, **drop_nones({"name": arguments.file_name})},
        "onlyIfRows": arguments.only_if_rows,
    }
    return drop_nones(body)


def parse_range(text: str) -> dict[str, str]:
    """Parse a range such as `previous-week`, `since-last` or `2024-07-01..2024-07-31`."""
    start, dots, end = text.partition("..")
    if dots:
        return {"kind": "absolute", "from": start, "to": end}
    if text == SINCE_LAST:
        return {"kind": SINCE_LAST}
    return {"kind": "relative", "preset": text}


def describe_schedule_errors(
    errors: Sequence[Mapping[str, str]], scope_names: Mapping[str, str]
) -> list[str]:
    flattened = [{**error, "pointer": _to_export_pointer(error.get("pointer", ""))} for error in errors]
    return describe_errors(flattened, {**scope_names, "file-name": _EXPORT_NAME_OPTION})


def _to_export_pointer(pointer: str) -> str:
    """Convert a JSON pointer for a schedule to the corresponding pointer for an export.

    For example, `/export/filters/utm` becomes `/filters/utm`.
    """
    if pointer == "/export/name":
        return "/file-name"
    if pointer == "/recurrence":
        return "/cron"
    if pointer.startswith("/range"):
        return "/range"
    return pointer.removeprefix("/export").removeprefix("/recurrence")
