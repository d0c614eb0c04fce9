"""Test that the OpenAPI document describes every operation and that its examples are valid."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from api import openapi
from api.app import ROUTERS
from api.tables.table_query import parse_table_query
from flows.formats.csv.options import CHOICES, PRESETS, parse_options
from flows.query.request import parse_request
from flows.reports import catalog

REPORTS = catalog(("flows.samples",))
METHODS = {"get", "post", "patch", "delete", "put"}


def document(authenticates: bool) -> dict[str, Any]:
    app = FastAPI(title="Report Exports")
    for router in ROUTERS:
        app.include_router(router)
    openapi.install(app, REPORTS, authenticates)
    return app.openapi()


OPEN, GUARDED = document(False), document(True)


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield f"{method} {path}", operation


def examples(part: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield a (schema, example) pair for each example of a body, parameter or field."""
    if isinstance(part, list):
        for item in part:
            yield from examples(item)
    elif isinstance(part, dict):
        if "schema" in part:
            yield from ((part["schema"], example["value"]) for example in part.get("examples", {}).values())
        elif isinstance(part.get("examples"), list):
            yield from ((part, example) for example in part["examples"])
        for child in part.values():
            yield from examples(child)


def refusals(schema: dict[str, Any], value: Any, described: dict[str, Any]) -> list[str]:
    whole = {**schema, "components": described["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


@pytest.mark.parametrize(("name", "operation"), list(operations(OPEN)))
def test_every_operation_is_described(name: str, operation: dict[str, Any]) -> None:
    assert operation["operationId"].isidentifier()
    assert operation["summary"]
    assert operation["tags"][0] in [tag["name"] for tag in OPEN["tags"]]
    assert any(code.startswith(("2", "3")) for code in operation["responses"])
    for parameter in operation.get("parameters", []):
        assert parameter["description"]


def test_request_fields_have_no_defaults() -> None:
    bodies = ("NewSchedule", "ScheduleChange", "CsvOptions", "SurveyResponsesExportRequest")
    for name in bodies:
        for field in OPEN["components"]["schemas"][name]["properties"].values():
            assert "default" not in field


@pytest.mark.parametrize(("name", "operation"), list(operations(OPEN)))
def test_every_status_has_at_most_one_schema(name: str, operation: dict[str, Any]) -> None:
    for response in operation["responses"].values():
        schemas = [media["schema"] for media in response.get("content", {}).values()]
        assert len(schemas) <= 1
        assert not [schema for schema in schemas if "oneOf" in schema or "anyOf" in schema]


def test_path_parameters_are_named_as_in_the_docs() -> None:
    for path in ("/exports/{id}", "/schedules/{id}", "/report-types/{name}/choices/{scope}"):
        assert path in OPEN["paths"]


def test_no_two_operations_have_the_same_id() -> None:
    ids = [operation["operationId"] for _, operation in operations(OPEN)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("described", [OPEN, GUARDED], ids=["open", "guarded"])
def test_every_schema_and_reference_is_valid(described: dict[str, Any]) -> None:
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in references(described):
        target: Any = described
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for child in part.values():
            yield from references(child)
    elif isinstance(part, list):
        for item in part:
            yield from references(item)


@pytest.mark.parametrize("described", [OPEN, GUARDED], ids=["open", "guarded"])
def test_every_example_matches_its_schema(described: dict[str, Any]) -> None:
    pairs = list(examples(described))
    assert len(pairs) > 30
    for schema, example in pairs:
        assert refusals(schema, example, described) == []


def test_every_example_of_a_request_is_accepted() -> None:
    body = OPEN["paths"]["/exports"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        parse_request(example["value"], REPORTS)


def test_the_examples_of_the_table_parameters_form_a_valid_request() -> None:
    parameters = OPEN["paths"]["/reports"]["get"]["parameters"]
    with_examples = [parameter for parameter in parameters if "examples" in parameter["schema"]]
    assert {"surveyId", "from", "to"} <= {parameter["name"] for parameter in with_examples}
    query = [(parameter["name"], parameter["schema"]["examples"][0]) for parameter in with_examples]
    parse_table_query(query, REPORTS)


def test_with_authentication_the_document_requires_a_key_and_lists_no_reports() -> None:
    names = {parameter["name"] for parameter in GUARDED["paths"]["/reports"]["get"]["parameters"]}
    for report in REPORTS.values():
        assert not names & {*report.scope, *report.filter_columns}
        assert not [name for name in GUARDED["components"]["schemas"] if report.name.capitalize() in name]
    assert GUARDED["security"] == [{"bearer": []}]
    assert "security" not in OPEN


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", CHOICES)
def test_the_schema_accepts_exactly_the_valid_csv_options(preset: str, name: str) -> None:
    schema = {"$ref": "#/components/schemas/CsvOptions"}
    for value in (*CHOICES[name], "no such", 7):
        for more in ({}, {"delimiter": ";"}, {"compression": "zip"}, {"splitRows": 9}, {"splitRows": None}):
            options = {"preset": preset, name: value, **more}
            try:
                parse_options(options)
            except ValueError:
                accepted = False
            else:
                accepted = True
            assert (refusals(schema, options, OPEN) == []) is accepted, options


def test_every_operation_that_checks_the_host_name_describes_421() -> None:
    described = {name for name, operation in operations(OPEN) if "421" in operation["responses"]}
    assert {name for name, _ in operations(OPEN)} - described == {"get /healthz"}
