"""Test the list of reports."""

from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from tests.support.app_in_process import application, call


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def report_types(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, catalog: str) -> dict[str, Any]:
    async def read(client: AsyncClient) -> dict[str, Any]:
        answer = await client.get("/report-types")
        return dict(answer.raise_for_status().json())

    return call(application(monkeypatch, tmp_path, REPORTS_CATALOG=catalog), read)


def test_an_empty_list_says_how_to_write_the_first_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = report_types(monkeypatch, tmp_path, "")
    assert answer["items"] == []
    assert answer["note"] == "No report has been declared. Write one with `report-exports new TABLE`."


def test_a_list_of_reports_has_no_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "note" not in report_types(monkeypatch, tmp_path, "flows.samples")


def test_a_broken_report_counts_as_declared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_one.py").write_text("1 / 0")
    answer = report_types(monkeypatch, tmp_path, "broken_one")
    assert (answer["items"], len(answer["disabled"]), "note" in answer) == ([], 1, False)
