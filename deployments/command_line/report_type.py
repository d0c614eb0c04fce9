"""Fetch a report's description. Its scopes and filters determine some of the command's options."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from deployments.command_line.api_client import ApiClient, Problem, parse_json
from deployments.command_line.exit_codes import RequestRejected


def fetch_report_type(client: ApiClient, name: str) -> Mapping[str, Any]:
    """Return the description of a report.

    Raises RequestRejected if no report has this name. The message lists the existing names.
    """
    try:
        path = f"/report-types/{quote(name, safe='')}"
        return parse_json(client.request("GET", path), "parameters", "filters")
    except Problem as problem:
        if problem.status != httpx.codes.NOT_FOUND:
            raise
    report_types = parse_json(client.request("GET", "/report-types"), "items")["items"]
    names = ", ".join(sorted(str(report_type["name"]) for report_type in report_types))
    raise RequestRejected(f"REPORT: unknown report {name!r}. Choose one of {names}.")
