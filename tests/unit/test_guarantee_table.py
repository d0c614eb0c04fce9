"""Test that GuaranteeTable writes its figures to a document and rejects a test that misses a violation."""

from datetime import date
from pathlib import Path

import pytest

from tests.support.guarantee_table import BEGIN, DOCUMENT, END, GuaranteeTable

DAY = date(2024, 7, 19)


def write(document: Path, seed: int) -> str:
    table = GuaranteeTable(seed)
    table.add("G10: last", 5, 0, "slow", "a control", True)
    table.add("G2: first", 1200, 1, "fast", "another control", True)
    table.write(DAY, document)
    return document.read_text()


def test_a_run_replaces_its_figures_and_keeps_the_others(tmp_path: Path) -> None:
    document = tmp_path / "guarantees.md"
    document.write_text(f"before\n{BEGIN}\n| G3: kept | 1 | 9 | 0 | same | a control |\n{END}\nafter\n")
    write(document, 7)
    text = write(document, 12345)
    assert text.startswith(f"before\n{BEGIN}\n| Guarantee |")
    assert text.endswith(f"{END}\nafter\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[1:4] == [
        "| G2: first | 12345 | 1,200 | 1 | fast | another control |",
        "| G3: kept | 1 | 9 | 0 | same | a control |",
        "| G10: last | 12345 | 5 | 0 | slow | a control |",
    ]
    assert rows[5:] == ["| 2024-07-19 | 7 | 1,205 | 1 |", "| 2024-07-19 | 12345 | 1,205 | 1 |"]


def test_a_control_that_is_not_noticed_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="does not notice a violation: a control"):
        GuaranteeTable(1).add("G1: lost", 1, 0, "", "a control", False)


def test_the_document_has_a_place_for_the_figures() -> None:
    text = DOCUMENT.read_text()
    assert 0 < text.index(BEGIN) < text.index(END)
