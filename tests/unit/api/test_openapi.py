"""The OpenAPI document describes every operation, and its examples are valid."""

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

REPORTS = catalog()
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
    """Yield every schema with each of its examples: of bodies, parameters and fields."""
    if isinstance(part, list):
        for each in part:
            yield from examples(each)
    elif isinstance(part, dict):
        if "schema" in part:
            yield from ((part["schema"], each["value"]) for each in part.get("examples", {}).values())
        elif isinstance(part.get("examples"), list):
            yield from ((part, each) for each in part["examples"])
        for each in part.values():
            yield from examples(each)


def refusals(schema: dict[str, Any], value: Any, described: dict[str, Any]) -> list[str]:
    whole = {**schema, "components": described["components"]}
    return [each.message for each in Draft202012Validator(whole).iter_errors(value)]


@pytest.mark.parametrize(("name", "operation"), list(operations(OPEN)))
def test_every_operation_is_described(name: str, operation: dict[str, Any]) -> None:
    assert operation["operationId"].isidentifier()
    assert operation["summary"]
    assert operation["tags"][0] in [each["name"] for each in OPEN["tags"]]
    assert any(code.startswith(("2", "3")) for code in operation["responses"])
    for parameter in operation.get("parameters", []):
        assert parameter["description"]


def test_request_fields_have_no_defaults() -> None:
    bodies = ("NewSchedule", "ScheduleChange", "CsvOptions", "SurveyResponsesExportRequest")
    for name in bodies:
        for field in OPEN["components"]["schemas"][name]["properties"].values():
            assert "default" not in field


@pytest.mark.parametrize(("name", "operation"), list(operations(OPEN)))
def test_every_status_answers_one_type(name: str, operation: dict[str, Any]) -> None:
    for response in operation["responses"].values():
        schemas = [media["schema"] for media in response.get("content", {}).values()]
        assert len(schemas) <= 1
        assert not [schema for schema in schemas if "oneOf" in schema or "anyOf" in schema]


def test_path_parameters_are_named_as_in_the_documents() -> None:
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
        found: Any = described
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


@pytest.mark.parametrize("described", [OPEN, GUARDED], ids=["open", "guarded"])
def test_every_example_fits_its_schema(described: dict[str, Any]) -> None:
    found = list(examples(described))
    assert len(found) > 30
    for schema, example in found:
        assert refusals(schema, example, described) == []


def test_every_example_of_a_request_is_accepted() -> None:
    body = OPEN["paths"]["/exports"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        parse_request(example["value"], REPORTS)


def test_the_examples_of_the_tables_parameters_make_a_request_together() -> None:
    parameters = OPEN["paths"]["/reports"]["get"]["parameters"]
    shown = [each for each in parameters if "examples" in each["schema"]]
    assert {"surveyId", "from", "to"} <= {each["name"] for each in shown}
    parse_table_query([(each["name"], each["schema"]["examples"][0]) for each in shown], REPORTS)


def test_with_authentication_the_document_requires_a_key_and_names_no_report() -> None:
    names = {each["name"] for each in GUARDED["paths"]["/reports"]["get"]["parameters"]}
    for report in REPORTS.values():
        assert not names & {*report.scope, *report.filter_columns}
        assert not [each for each in GUARDED["components"]["schemas"] if report.name.capitalize() in each]
    assert GUARDED["security"] == [{"bearer": []}]
    assert "security" not in OPEN


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", CHOICES)
def test_the_schema_accepts_exactly_the_valid_csv_options(preset: str, name: str) -> None:
    schema = {"$ref": "#/components/schemas/CsvOptions"}
    for value in (*CHOICES[name], "no such", 7):
        for more in ({}, {"delimiter": ";"}, {"compression": "zip"}, {"splitRows": 9}, {"splitRows": None}):
            given = {"preset": preset, name: value, **more}
            try:
                parse_options(given)
            except ValueError:
                accepted = False
            else:
                accepted = True
            assert (refusals(schema, given, OPEN) == []) is accepted, given
