"""Build the body of `POST /exports` from options, and map the service's errors back to options."""

import json
import math
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from deployments.command_line.date_presets import preset_dates
from deployments.command_line.exit_codes import RequestRejected
from deployments.command_line.options import scope_options
from deployments.command_line.options.export_options import FORMATS
from deployments.command_line.options.scope_options import Pair
from deployments.command_line.text.plain_text import strip_controls

_OPTIONS = {
    "from": "--from",
    "to": "--to",
    "filters": "--filter",
    "columns": "--columns",
    "sort": "--sort",
    "timeZone": "--time-zone",
    "format": "--format",
    "answers": "--answers",
    "codebook": "--codebook",
    "csv": "--csv",
    "name": "--name",
    "report": "REPORT",
}
# Filters of these types accept only strings and null, so `5` is sent as the string "5".
_STRING_TYPES = ("string", "uuid", "date", "date-time")


def build_request_body(
    arguments: Namespace,
    scope_pairs: Sequence[Pair],
    report: Mapping[str, Any],
    declared_options: Collection[str],
    now: datetime,
) -> dict[str, Any]:
    own_fields = {
        **build_dates(arguments, now),
        "timeZone": arguments.time_zone,
        "name": arguments.name,
    }
    selection = build_selection(arguments, scope_pairs, report, declared_options)
    return {**selection, **drop_nones(own_fields)}


def build_dates(arguments: Namespace, now: datetime) -> dict[str, str | None]:
    if arguments.dates is None:
        return {"from": arguments.start, "to": arguments.end}
    if arguments.start is not None or arguments.end is not None:
        raise RequestRejected("--dates: use either --dates, or --from and --to.")
    first, last = preset_dates(arguments.dates, now, arguments.time_zone)
    return {"from": first.isoformat(), "to": last.isoformat()}


def build_selection(
    arguments: Namespace,
    scope_pairs: Sequence[Pair],
    report: Mapping[str, Any],
    declared_options: Collection[str],
) -> dict[str, Any]:
    """Return the fields that exports and schedules share.

    The dates, the time zone and the name are not included.
    """
    fields: dict[str, Any] = {
        "filters": build_filters(arguments.filter, report) or None,
        "columns": arguments.columns.split(",") if arguments.columns is not None else None,
        "sort": arguments.sort,
        **build_format(arguments),
        "answers": dict(arguments.answers) or None,
        "codebook": arguments.codebook or None,
    }
    scope = scope_options.build_scope(report, scope_pairs, arguments.scope, declared_options)
    if reserved := set(scope) & set(_OPTIONS):
        name = min(reserved)
        raise RequestRejected(f"--scope {name}=: use the option {_OPTIONS[name]} instead.")
    return {"report": arguments.report, **scope, **drop_nones(fields)}


def drop_nones(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def build_filters(pairs: Sequence[Pair], report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters as a JSON object.

    If a name is repeated, its values become a list, and rows that match any of them are exported. A name such
    as `score[gte]` becomes an object that maps operators to values.
    """
    types = {filter_["name"]: filter_["type"] for filter_ in report.get("filters", [])}
    filters: dict[str, dict[str, list[Any]]] = {}
    for key, text in pairs:
        name, _, operator = key.removesuffix("]").partition("[")
        value = parse_value(text, types.get(name) if operator != "null" else None)
        values = filters.setdefault(name, {}).setdefault(operator, [])
        values += value if isinstance(value, list) else [value]
    return {name: _filter_value(name, operators) for name, operators in filters.items()}


def _filter_value(name: str, operators: Mapping[str, list[Any]]) -> Any:
    """Return the JSON value of a filter.

    `operators` maps operators to values. The key for values without an operator is the empty string.
    """
    if len(operators) > 1 and "" in operators:
        raise RequestRejected(f"--filter {name}: use either values or operators, not both.")
    conditions = {name: values[0] if len(values) == 1 else values for name, values in operators.items()}
    return conditions.get("", conditions)


def parse_value(text: str, type_name: str | None = None) -> Any:
    """Parse JSON such as `true`, `null`, `5` or `["a","b"]`. Text that is not JSON is returned unchanged."""
    try:
        value = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    if type_name in _STRING_TYPES and isinstance(value, bool | int | float):
        return text
    return value


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def build_format(arguments: Namespace) -> dict[str, Any]:
    """Return the fields for the format and its options. The default format is CSV."""
    is_csv = arguments.format in (None, "csv")
    csv_options = [*arguments.csv_option, *(arguments.format_option if is_csv else [])]
    fields = {"format": arguments.format, "csv": build_csv(arguments.csv, csv_options)}
    if arguments.format_option and not is_csv:
        fields[arguments.format] = {name: parse_value(text) for name, text in arguments.format_option}
    return fields


def build_csv(preset: str | None, options: Sequence[Pair]) -> str | dict[str, Any] | None:
    if not options:
        return preset
    base: dict[str, Any] = {} if preset is None else {"preset": preset}
    return base | {name: parse_value(text) for name, text in options}


def describe_errors(errors: Sequence[Mapping[str, str]], scope_names: Mapping[str, str]) -> list[str]:
    """Return the service's error messages, each prefixed with the option that caused it."""
    lines = []
    for error in errors:
        option = option_for_pointer(error.get("pointer", ""), scope_names)
        detail = strip_controls(error.get("detail", ""))
        lines.append(f"{option}: {detail}" if option else detail)
    return lines


def option_for_pointer(pointer: str, scope_names: Mapping[str, str]) -> str:
    """Return the option for a JSON pointer, such as `--filter utm` for `/filters/utm`.

    `scope_names` maps each scope of the report to its option.
    """
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if not parts:
        return ""
    if parts[0] == "headers":
        return f"--{parts[-1].lower()}"
    if parts[0] == "csv" and parts[1:] and parts[1] != "preset":
        return f"--csv-option {strip_controls(parts[1])}"
    if parts[0] == "csv":
        return "--csv"
    if parts[0] in FORMATS:
        return " ".join(["--format-option", *map(strip_controls, parts[1:])])
    if parts[0] == "filters" and len(parts) == 3:
        parts = [parts[0], f"{parts[1]}[{parts[2]}]"]
    option = scope_names.get(parts[0]) or _OPTIONS.get(parts[0]) or f"--{parts[0]}"
    return " ".join(strip_controls(part) for part in [option, *parts[1:]])
