"""Each preset's file, byte for byte, from SQLite; tests/integration has it from PostgreSQL."""

from typing import Any

import pytest

from tests.support.engines import framed_from
from tests.support.golden import golden
from tests.support.golden_rows import FILES, ROWS, request
from tests.support.sample_report import things_snapshot

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")


@pytest.mark.parametrize(("name", "csv"), FILES.items(), ids=FILES.keys())
def test_the_golden_file(name: str, csv: Any) -> None:
    with things_snapshot(ROWS) as taken:
        assert framed_from(taken, request(csv)) == golden(name)
