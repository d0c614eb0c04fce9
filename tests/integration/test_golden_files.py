"""Test that every PostgreSQL source produces the golden file for each preset."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from flows.sources.snapshot import open_engine
from tests.support.engines import file_by_copy, file_by_copy_chunks, file_by_sqlalchemy, with_transform
from tests.support.golden import golden
from tests.support.golden_rows import FILES, OTHER_FORMATS, ROWS, request, request_with
from tests.support.sample_report import metadata, things


@pytest.fixture(scope="module")
def filled(scratch_url: str) -> Iterator[Engine]:
    engine = open_engine(
        scratch_url, connect_seconds=5, json_serializer=partial(json.dumps, ensure_ascii=False)
    )
    metadata.drop_all(engine)
    metadata.create_all(engine)
    with engine.begin() as connection:
        for number, row in enumerate(ROWS, start=1):
            connection.execute(insert(things), {"id": number, "shop": "here"} | row)
    yield engine
    metadata.drop_all(engine)
    engine.dispose()


@pytest.mark.parametrize(("name", "csv"), FILES.items(), ids=FILES.keys())
def test_copy_writes_the_golden_file(filled: Engine, name: str, csv: Any) -> None:
    assert file_by_copy(filled, request(csv)) == golden(name)


@pytest.mark.parametrize(("name", "csv"), FILES.items(), ids=FILES.keys())
def test_the_general_source_writes_the_golden_file(filled: Engine, name: str, csv: Any) -> None:
    assert file_by_sqlalchemy(filled, request(csv)) == golden(name)


@pytest.mark.parametrize(("name", "csv"), FILES.items(), ids=FILES.keys())
def test_a_transform_writes_the_golden_file(filled: Engine, name: str, csv: Any) -> None:
    assert file_by_copy_chunks(filled, with_transform(request(csv))) == golden(name)


@pytest.mark.parametrize(("name", "fields"), OTHER_FORMATS.items(), ids=OTHER_FORMATS.keys())
def test_another_format_has_the_same_golden_file(filled: Engine, name: str, fields: dict[str, Any]) -> None:
    wanted = request_with(**fields)
    for file in (file_by_copy_chunks(filled, wanted), file_by_sqlalchemy(filled, wanted)):
        assert file == golden(name)
