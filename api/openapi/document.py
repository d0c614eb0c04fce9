"""The OpenAPI document: what the routes say of themselves, and the schemas that they share."""

import inspect
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from api.openapi import answers, recurring, refusals, requests
from api.openapi.words import Schema
from flows.query.report import Report

BEARER = "bearer"
_TAGS = {
    "exports": "Start, follow, cancel, repeat, remove and download an export.",
    "recurring exports": "Exports that start by themselves, each over the days of its time.",
    "reports": "The rows behind an export, and what reports there are.",
    "the article's routes": "Start and poll, as front ends in the field do it. Their bodies do not change.",
    "health": "For operators.",
}
_INFO = {
    "title": "Report Exports",
    "summary": "Start an export, poll it, download a complete and verified CSV.",
    "description": (
        "Refusals are `application/problem+json` (RFC 9457) and say where a mistake is by a JSON pointer. "
        "JSON is read strictly: a key that is unknown or given twice is refused. "
        "A caller sees their own exports alone."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_SECURITY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, or a JWT; only where the service asks for one.",
}


def document(routers: Iterable[APIRouter], reports: Mapping[str, Report], authenticates: bool) -> Schema:
    """With authentication the catalog is for callers alone; the document then describes no report."""
    known = {} if authenticates else reports
    found: Schema = {
        "openapi": "3.1.0",
        "info": {**_INFO, "version": version("report-exports")},
        "tags": [{"name": name, "description": said} for name, said in _TAGS.items()],
        "paths": _paths(routers, known),
        "components": {
            "schemas": {
                **requests.start_schemas(known),
                **recurring.schedule_schemas(known),
                **answers.SCHEMAS,
            },
            "responses": refusals.components(),
            "securitySchemes": {BEARER: _SECURITY_SCHEME},
        },
    }
    return found | ({"security": [{BEARER: []}]} if authenticates else {})


def _paths(routers: Iterable[APIRouter], reports: Mapping[str, Report]) -> Schema:
    found: Schema = {}
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                for method in (route.methods or set()) - {"HEAD"}:
                    found.setdefault(route.path_format, {})[method.lower()] = _operation(route, reports)
    return found


def _operation(route: APIRoute, reports: Mapping[str, Report]) -> dict[str, Any]:
    """`openapi_extra` is the whole of it; parameters that hang on the catalog are a function of it."""
    description = inspect.getdoc(route.endpoint)
    said = dict(route.openapi_extra or {})
    if callable(said.get("parameters")):
        said["parameters"] = said["parameters"](reports)
    return {
        "operationId": route.operation_id or route.name,
        "summary": route.summary,
        "tags": route.tags,
        **({"description": description} if description else {}),
        **said,
    }
