"""Generate the OpenAPI document and narrow its request schemas to the reports in the catalog."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import Field
from pydantic.json_schema import models_json_schema

from api.web.answer import Answer
from flows.query.report import Report
from flows.query.request_fields import NO_NUL, filter_schema
from flows.query.request_model import request_model
from flows.rows.operators import OPERATORS

BEARER = "bearer"
_EXAMPLES = {"surveyId": "668b6fa3b8d693cd865b44bb"}
_OPERATORS = {
    "gte": "At least this value.",
    "gt": "Greater than this value.",
    "lte": "At most this value.",
    "lt": "Less than this value.",
    "contains": "Contains this text, ignoring case.",
    "not": "None of these values.",
    "null": "Whether the value is null.",
}
_REF = "#/components/schemas/{model}"
_TAGS = {
    "exports": "Start, follow, cancel, retry, delete and download exports.",
    "schedules": "Run exports on a schedule, with dates computed for each run.",
    "reports": "List the available reports and read their rows.",
    "simple routes": "Start and poll exports from existing front ends. The bodies never change.",
    "tokens": "Create tokens for the end users of a product.",
    "health": "Health checks and metrics for operators.",
}
_INFO: dict[str, Any] = {
    "summary": "Start an export, poll it and download a complete, verified CSV file.",
    "description": (
        "Errors are `application/problem+json` (RFC 9457) and identify each invalid field with a JSON"
        " pointer. JSON is parsed strictly: unknown and duplicate keys are rejected. "
        "Callers see only their own exports and schedules."
    ),
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_SECURITY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, a token from `POST /tokens` or a JWT, if the service requires one.",
}


class FieldMistake(Answer):
    pointer: str = Field(description="JSON pointer (RFC 6901) into the body, or `/name` for a parameter.")
    code: str
    detail: str


class Problem(Answer):
    """An error response as defined by RFC 9457."""

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="A message to show to users.")
    errors: list[FieldMistake] = Field(description="All errors in the request.")
    data: None = Field(description="Always null, for clients that read `data` before the status code.")


def install(app: FastAPI, reports: Mapping[str, Report], authenticates: bool) -> None:
    """Build the OpenAPI document and let the application serve it.

    If callers must authenticate, the document names no reports, because anyone can read it.
    """
    document = describe(app, {} if authenticates else reports)
    if authenticates:
        document["security"] = [{BEARER: []}]
    app.openapi = lambda: document  # type: ignore[method-assign]


def describe(app: FastAPI, reports: Mapping[str, Report]) -> dict[str, Any]:
    tags = [{"name": name, "description": text} for name, text in _TAGS.items()]
    document = get_openapi(
        title=app.title, version=version("report-exports"), routes=app.routes, tags=tags, **_INFO
    )
    components = document["components"]
    components["securitySchemes"] = {BEARER: _SECURITY_SCHEME}
    components["schemas"] |= _schemas([Problem], "serialization")
    if reports:
        _narrow_requests(components["schemas"], reports)
        document["paths"]["/reports"]["get"]["parameters"] += _table_parameters(reports)
    for operation in _operations(document):
        for parameter in operation.get("parameters", []):
            _tidy_parameter(parameter, reports)
        if "application/json" in operation["responses"].get("422", {}).get("content", {}):
            del operation["responses"]["422"]  # our error handlers replace FastAPI's default response
    _remove_titles(document)
    components["schemas"] = _used_schemas(document)
    return document


def _schemas(models: list[Any], mode: Any) -> dict[str, Any]:
    _, schema = models_json_schema([(model, mode) for model in models], ref_template=_REF)
    return dict(schema["$defs"])


def _narrow_requests(schemas: dict[str, Any], reports: Mapping[str, Report]) -> None:
    """Replace the generic request schema with one schema for each report."""
    for name, dates in (("ExportRequest", True), ("ScheduledRequest", False)):
        models = [request_model(report, dates) for report in reports.values()]
        schemas |= _schemas(models, "validation")
        schemas[name] = {"oneOf": [{"$ref": _REF.format(model=model.__name__)} for model in models]}
    if all(report.period is not None for report in reports.values()):
        for name in ("NewSchedule", "SchedulePreview"):
            schemas[name]["required"].append("range")
            schemas[name]["properties"]["range"]["anyOf"].remove({"type": "null"})


def _table_parameters(reports: Mapping[str, Report]) -> Iterator[dict[str, Any]]:
    """Yield the query parameters of `GET /reports` for the scopes and filters of all reports."""
    for name in _names(report.scope for report in reports.values()):
        owners = [report for report in reports.values() if name in report.scope]
        patterns = "|".join(dict.fromkeys(report.scope[name].pattern for report in owners))
        schema: dict[str, Any] = {"type": "string", "pattern": f"^({patterns})$"}
        if name in _EXAMPLES:
            schema["examples"] = [_EXAMPLES[name]]
        yield _parameter(name, schema, f"Required by {_titles(owners)}.")
    for name in _names(report.filter_columns for report in reports.values()):
        owners = [report for report in reports.values() if name in report.filter_columns]
        kinds = [filter_schema(report.filter_columns[name]) for report in owners]
        same = all(kind == kinds[0] for kind in kinds)
        items = kinds[0] if same else {"type": "string", "pattern": NO_NUL}
        array: dict[str, Any] = {"type": "array", "items": items, "minItems": 1}
        description = f"Filter for {_titles(owners)}. Repeat the parameter to select several values."
        yield _parameter(name, array, description)
        yield from _operator_parameters(name, owners, items)


def _operator_parameters(name: str, owners: list[Report], value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield parameters such as `score[gte]`."""
    special: dict[str, Any] = {
        "not": {"type": "array", "items": value, "minItems": 1},
        "null": {"type": "boolean"},
    }
    for operator in OPERATORS:
        users = [report for report in owners if operator in report.filter_columns[name].allowed_operators]
        if users:
            description = f"{_OPERATORS[operator]} Filter for {_titles(users)}."
            yield _parameter(f"{name}[{operator}]", special.get(operator, value), description)


def _tidy_parameter(parameter: dict[str, Any], reports: Mapping[str, Report]) -> None:
    """Remove null and the description from the schema, and add the report names to the `report` parameter.

    Null is removed because query parameters cannot be null.
    """
    schema = parameter["schema"]
    if {"type": "null"} in schema.get("anyOf", ()):
        schema |= schema.pop("anyOf")[0]
    schema.pop("description", None)
    if parameter["name"] == "report" and reports:
        schema["enum"] = list(reports)


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _names(groups: Iterator[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in group))


def _titles(reports: list[Report]) -> str:
    return ", ".join(report.name for report in reports)


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (operation for methods in document["paths"].values() for operation in methods.values())


def _used_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas that the operations refer to, directly or through other schemas.

    FastAPI also lists some schemas that no operation uses.
    """
    schemas = document["components"]["schemas"]
    used: set[str] = set()
    names = _references(document["paths"])
    while names:
        used |= names
        names = set().union(*(_references(schemas[name]) for name in names)) - used
    return {name: schema for name, schema in schemas.items() if name in used}


def _references(part: Any) -> set[str]:
    return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part)))


def _remove_titles(part: Any) -> None:
    """Remove the generated titles, which only repeat the field names."""
    if isinstance(part, list):
        for item in part:
            _remove_titles(item)
    elif isinstance(part, dict):
        if isinstance(part.get("title"), str) and not {"version", "status"} & part.keys():
            del part["title"]
        for name, value in list(part.items()):
            if name not in ("example", "examples", "const", "enum"):
                _remove_titles(value)
