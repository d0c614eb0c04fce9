"""From options to the body of `POST /exports`, and from the service's pointers back to options. Pure."""

import json
import math
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deployments.command_line.exit_codes import Refused
from deployments.command_line.options import scope_options
from deployments.command_line.options.scope_options import Pair
from deployments.command_line.text.plain_text import one_line

_OPTIONS = {
    "from": "--from",
    "to": "--to",
    "filters": "--filter",
    "columns": "--columns",
    "sort": "--sort",
    "timeZone": "--time-zone",
    "csv": "--csv",
    "name": "--name",
    "report": "REPORT",
}
# Of these every value is a text, whatever it looks like; null is still null.
_TEXTS = ("string", "uuid", "date", "date-time")


def request_body(
    given: Namespace, options: Sequence[Pair], report: Mapping[str, Any], known: Collection[str]
) -> dict[str, Any]:
    own = {"from": given.start, "to": given.end, "timeZone": given.time_zone, "name": given.name}
    return {**choice(given, options, report, known), **without_nones(own)}


def choice(
    given: Namespace, options: Sequence[Pair], report: Mapping[str, Any], known: Collection[str]
) -> dict[str, Any]:
    """Of a request all but its days, zone and name."""
    chosen: dict[str, Any] = {
        "filters": filters(given.filter, report) or None,
        "columns": given.columns.split(",") if given.columns is not None else None,
        "sort": given.sort,
        "csv": csv_choice(given.csv, given.csv_option),
    }
    scope = scope_options.scope(report, options, given.scope, known)
    if taken := set(scope) & set(_OPTIONS):
        raise Refused(f"--scope {min(taken)}=: this has an option of its own.")
    return {"report": given.report, **scope, **without_nones(chosen)}


def without_nones(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def filters(pairs: Sequence[Pair], report: Mapping[str, Any]) -> dict[str, Any]:
    """A filter that is given more than once means any of its values."""
    types = {each["name"]: each["type"] for each in report.get("filters", [])}
    found: dict[str, list[Any]] = {}
    for name, text in pairs:
        value = value_of(text, types.get(name))
        found.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def value_of(text: str, type_name: str | None = None) -> Any:
    """JSON where it is JSON: `true`, `null`, `5`, `["a","b"]`; the text itself where it is not."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    if type_name in _TEXTS and isinstance(value, bool | int | float):
        return text
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def csv_choice(preset: str | None, options: Sequence[Pair]) -> str | dict[str, Any] | None:
    if not options:
        return preset
    chosen: dict[str, Any] = {} if preset is None else {"preset": preset}
    return chosen | {name: value_of(text) for name, text in options}


def in_options(errors: Sequence[Mapping[str, str]], names: Mapping[str, str]) -> list[str]:
    """Each mistake in the service's words, named by the option that made it."""
    found = []
    for each in errors:
        option = option_at(each.get("pointer", ""), names)
        detail = one_line(each.get("detail", ""))
        found.append(f"{option}: {detail}" if option else detail)
    return found


def option_at(pointer: str, names: Mapping[str, str]) -> str:
    """`/filters/utm` → `--filter utm`; `names` says how the report's scopes are spoken of."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if not parts:
        return ""
    if parts[0] == "headers":
        return f"--{parts[-1].lower()}"
    if parts[0] == "csv" and parts[1:] and parts[1] != "preset":
        return f"--csv-option {one_line(parts[1])}"
    if parts[0] == "csv":
        return "--csv"
    option = names.get(parts[0]) or _OPTIONS.get(parts[0]) or f"--{parts[0]}"
    return " ".join(one_line(part) for part in [option, *parts[1:]])
