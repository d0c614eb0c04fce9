"""From options to the body of `POST /schedules`, and from its pointers back to options. Pure."""

from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deployments.command_line.options.scope_options import Pair
from deployments.command_line.request_body import choice, in_options, without_nones

SINCE_LAST = "since-last"
# What `--name` means in an export alone.
_FILE_NAME = "--file-name"


def recurring_body(
    given: Namespace, options: Sequence[Pair], report: Mapping[str, Any], known: Collection[str]
) -> dict[str, Any]:
    recurrence = {
        "cron": given.cron,
        "every": given.every,
        "rrule": given.rrule,
        "anchor": given.anchor,
        "timeZone": given.time_zone,
    }
    export = {**choice(given, options, report, known), **without_nones({"name": given.file_name})}
    body = {
        "name": given.name,
        "recurrence": without_nones(recurrence),
        "range": days(given.range) if given.range is not None else None,
        "export": export,
        "onlyIfRows": given.only_if_rows,
    }
    return without_nones(body)


def days(text: str) -> dict[str, str]:
    """`previous-week`, `since-last`, `2024-07-01..2024-07-31`."""
    start, dots, end = text.partition("..")
    if dots:
        return {"kind": "absolute", "from": start, "to": end}
    if text == SINCE_LAST:
        return {"kind": SINCE_LAST}
    return {"kind": "relative", "preset": text}


def in_recurring_options(errors: Sequence[Mapping[str, str]], names: Mapping[str, str]) -> list[str]:
    named = [{**each, "pointer": _of_an_export(each.get("pointer", ""))} for each in errors]
    return in_options(named, {**names, "file-name": _FILE_NAME})


def _of_an_export(pointer: str) -> str:
    """`/export/filters/utm` → `/filters/utm`, as `export` speaks of it; `/recurrence/cron` → `/cron`."""
    if pointer == "/export/name":
        return "/file-name"
    if pointer == "/recurrence":
        return "/cron"
    if pointer.startswith("/range"):
        return "/range"
    return pointer.removeprefix("/export").removeprefix("/recurrence")
