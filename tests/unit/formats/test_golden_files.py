"""Test that exports from SQLite with the general source match the golden files."""

from typing import Any

import pytest

from tests.support.engines import file_from_snapshot
from tests.support.golden import golden
from tests.support.golden_rows import FILES, OTHER_FORMATS, ROWS, request, request_with
from tests.support.sample_report import things_snapshot

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")


@pytest.mark.parametrize(("name", "csv"), FILES.items(), ids=FILES.keys())
def test_a_preset_reproduces_its_golden_file(name: str, csv: Any) -> None:
    with things_snapshot(ROWS) as snap:
        assert file_from_snapshot(snap, request(csv)) == golden(name)


@pytest.mark.parametrize(("name", "fields"), OTHER_FORMATS.items(), ids=OTHER_FORMATS.keys())
def test_a_format_reproduces_its_golden_file(name: str, fields: dict[str, Any]) -> None:
    with things_snapshot(ROWS) as snap:
        assert file_from_snapshot(snap, request_with(**fields)) == golden(name)
