"""Test that a broken report is disabled, that operators see the reason, and that other reports still work."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.access.api_keys import KeyFile
from tests.support.clock import NOON
from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack

HEAD = """
from sqlalchemy import Column, Integer, MetaData, Table, column, select

from flows.reports import Heading, Report
from flows.samples.orders import orders

"""
REPORT = 'REPORT = Report(name="{name}", title="X", select=select({columns}), key=orders.c.id{more})\n'
NO_TABLE = """
gone = Table("gone", MetaData(), Column("id", Integer, primary_key=True))
REPORT = Report(name="no-table", title="X", select=select(gone.c.id), key=gone.c.id)
"""
NO_RIGHT = """
pg_authid = Table("pg_authid", MetaData(), Column("oid", Integer, primary_key=True))
REPORT = Report(name="no-right", title="X", select=select(pg_authid.c.oid), key=pg_authid.c.oid)
"""


def report(name: str, columns: str = "orders.c.number", more: str = "") -> str:
    return HEAD + REPORT.format(name=name, columns=columns, more=more)


# The source code of each broken report and part of the message that the operator sees.
BROKEN = {
    "no-import": ("import not_installed_here", "no_import.py:1: ModuleNotFoundError"),
    "wrong-heading": (
        report("wrong-heading", more=", headings={'totl': Heading()}"),
        "wrong_heading.py:7: headings: 'totl' is not in the select",
    ),
    "no-column": (
        report("no-column", columns="orders.c.number, column('totl')"),
        'no_column.py: Column "totl" does not exist',
    ),
    "no-table": (HEAD + NO_TABLE, "no_table.py: The database has no table gone."),
    "no-right": (HEAD + NO_RIGHT, "Permission denied for table pg_authid. Grant SELECT"),
}


@pytest.fixture(scope="module")
def urls(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start two APIs that load all of the broken reports. Only one of the APIs requires authentication."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "broken_reports").mkdir()
    for name, (text, _) in BROKEN.items():
        (folder / "broken_reports" / f"{name.replace('-', '_')}.py").write_text(text)
    with extra_processes(stack) as processes:
        path = processes.environment()["PYTHONPATH"]
        settings = {
            "REPORTS_CATALOG": "flows.samples,broken_reports",
            "PYTHONPATH": f"{path}:{folder}",
        }
        keys = {"REPORTS_KEYS_FILE": str(folder / "keys.json")}
        yield {
            "keys": str(folder / "keys.json"),
            "open": processes.start_api(**settings),
            "guarded": processes.start_api(**settings, **keys),
        }


def get(url: str, path: str, key: str = "") -> dict[str, object]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = httpx.get(f"{url}{path}", headers=headers, trust_env=False, timeout=30)
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.mark.parametrize(("path", "field"), [("/readyz", "disabledReports"), ("/report-types", "disabled")])
def test_the_operator_reads_the_reason_of_each_broken_report(
    urls: dict[str, str], path: str, field: str
) -> None:
    reasons = {item["name"]: item["reason"] for item in get(urls["open"], path)[field]}  # type: ignore[attr-defined]
    assert reasons.keys() == BROKEN.keys()
    for name, (_, sentence) in BROKEN.items():
        assert sentence in reasons[name]


def test_a_broken_report_degrades_the_service_and_other_reports_work(urls: dict[str, str]) -> None:
    assert get(urls["open"], "/readyz")["status"] == "degraded"
    items = get(urls["open"], "/report-types")["items"]
    assert {item["name"] for item in items} == {"orders", "survey-responses"}  # type: ignore[attr-defined]
    page = get(urls["open"], "/reports?report=orders&from=2024-03-01&to=2024-03-31&pageSize=1")
    assert len(page["items"]) == 1  # type: ignore[arg-type]
    body = {"report": "no-table"}
    refused = httpx.post(f"{urls['open']}/exports", json=body, trust_env=False, timeout=30)
    assert refused.status_code == 422


def test_a_limited_key_reads_no_reasons(urls: dict[str, str]) -> None:
    keys = KeyFile(Path(urls["keys"]))
    limited, full = keys.create("ada", ["orders"], NOON), keys.create("operator", None, NOON)
    assert get(urls["guarded"], "/report-types", limited)["disabled"] == []
    for key in ("", limited):
        readiness = get(urls["guarded"], "/readyz", key)
        assert (readiness["status"], readiness["disabledReports"]) == ("degraded", [])
    assert len(get(urls["guarded"], "/readyz", full)["disabledReports"]) == len(BROKEN)  # type: ignore[arg-type]
