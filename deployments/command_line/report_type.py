"""What the service says of a report: its scopes and filters, by which options are read."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from deployments.command_line.api_client import Problem, Service, json_of
from deployments.command_line.exit_codes import Refused


def described(service: Service, name: str) -> Mapping[str, Any]:
    try:
        return json_of(service.ask("GET", f"/report-types/{quote(name, safe='')}"), "parameters", "filters")
    except Problem as problem:
        if problem.status != httpx.codes.NOT_FOUND:
            raise
    there_are = json_of(service.ask("GET", "/report-types"), "items")["items"]
    names = ", ".join(sorted(str(each["name"]) for each in there_are))
    raise Refused(f"REPORT: there is no report {name!r}; there are {names}.")
