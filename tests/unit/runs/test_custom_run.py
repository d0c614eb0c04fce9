"""Test the form for a custom run. Prefect generates it from the flow's parameters."""

import json
import re
from pathlib import Path

from prefect.utilities.callables import parameter_schema

from flows.export import export_report
from flows.query.request import parse_request
from flows.reports import catalog

ROOT = Path(__file__).parents[3]


def test_every_parameter_is_described() -> None:
    properties = parameter_schema(export_report.fn).properties
    assert set(properties) == {"request", "recurring", "mask_pii", "rights"}
    assert [name for name, field in properties.items() if not field.get("description")] == []


def test_the_documented_requests_are_valid() -> None:
    description = parameter_schema(export_report.fn).properties["request"]["description"]
    documented = re.findall(
        r"```json\n(.*?)```", (ROOT / "docs/deploy.md").read_text(encoding="utf-8"), re.DOTALL
    )
    requests = [description[description.index("{") : description.rindex("}") + 1], *documented]
    assert len(requests) == 2
    for request in requests:
        assert parse_request(json.loads(request), catalog(("flows.samples",))).report.name == "orders"
