"""Test that an export error names the row key and column of a value that PostgreSQL cannot render."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Engine,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    cast,
    column,
    func,
    literal,
    select,
    text,
    values,
)

from flows.errors import SourceTimeout, UnreadableRow
from flows.query.report import Questions, Report
from flows.query.request import ExportRequest, parse_request
from flows.sources.postgresql import copy_chunks, copy_rows, failing_row
from flows.sources.protocol import Reading
from flows.sources.snapshot import Snapshot, open_engine, snapshot

FIRST = "Column {} of the row with key k1234 contains a value that cannot be written to the file."

cells = Table(
    "cells",
    MetaData(),
    Column("key", String, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("words", String),
    Column("document", JSON),
    Column("answers", JSON),
)
# Two rows have answers with an escaped NUL. The json type accepts it, but jsonb and text reject it.
FILL = """
    INSERT INTO cells SELECT 'k' || n, -n, n, '{}',
        CASE WHEN n IN (1234, 4321) THEN '{"one": "\\u0000"}' ELSE '{"one": 1}' END::json
    FROM generate_series(1, 5000) AS n
"""
questions = values(column("key", String), column("label", String), name="questions").data([("one", "One")])
PLAIN = select(cells.c.place, cells.c.words, cells.c.document)
REPORT = Report(
    name="cells",
    title="Cells",
    select=PLAIN,
    key=cells.c.key,
    questions=Questions(
        answers=cells.c.answers, select=select(questions.c.key, questions.c.label, literal(False)), scope={}
    ),
)


@pytest.fixture(scope="module")
def engine(scratch_url: str) -> Iterator[Engine]:
    engine = open_engine(scratch_url, connect_seconds=5)
    cells.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text(FILL))
        connection.exec_driver_sql("ANALYZE cells")
    yield engine
    cells.metadata.drop_all(engine)
    engine.dispose()


def cells_request(report: Report, **fields: Any) -> ExportRequest:
    return parse_request({"report": "cells"} | fields, {"cells": report})


def report_on(place: Select[Any]) -> Report:
    return replace(REPORT, select=place, questions=None)


def read(snap: Snapshot, request: ExportRequest) -> None:
    for _ in copy_rows.rows(Reading(snap, request, lambda: datetime.now(UTC))):
        pass


def error_message(engine: Engine, request: ExportRequest) -> str:
    with (
        pytest.raises(UnreadableRow) as raised,
        snapshot(engine, "UTC", 60, lambda: datetime.now(UTC)) as snap,
    ):
        read(snap, request)
    return str(raised.value)


@pytest.mark.parametrize("sort", ["place", "-place", "words"])
def test_the_error_names_the_first_failing_row_by_key_in_any_order(engine: Engine, sort: str) -> None:
    assert error_message(engine, cells_request(REPORT, sort=sort)) == FIRST.format("answers.one")


def read_chunks(snap: Snapshot, request: ExportRequest) -> None:
    for _ in copy_chunks.rows(Reading(snap, request, lambda: datetime.now(UTC))):
        pass


def test_the_error_names_a_column_that_only_a_transform_sees(engine: Engine) -> None:
    request = cells_request(replace(REPORT, transform=lambda frame: frame), columns=["place"])
    with (
        snapshot(engine, "UTC", 60, lambda: datetime.now(UTC)) as snap,
        pytest.raises(UnreadableRow) as raised,
    ):
        read_chunks(snap, request)
    assert str(raised.value) == FIRST.format("answers.one")


def test_an_error_of_all_rows_together_names_no_row(engine: Engine) -> None:
    over_all = func.sum(cast(cells.c.words, Integer) / (cells.c.place + 1_234)).over()
    assert (
        error_message(engine, cells_request(report_on(select(over_all.label("share")))))
        == UnreadableRow.message
    )


def test_without_time_for_the_search_the_error_names_no_row(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing_row, "MAX_SECONDS", 0)
    assert error_message(engine, cells_request(REPORT)) == UnreadableRow.message


def test_a_timeout_stays_a_timeout(engine: Engine) -> None:
    report = report_on(select(cells.c.place, func.pg_sleep(1).label("slept")))
    with (
        pytest.raises(SourceTimeout),
        snapshot(engine, "UTC", 1, lambda: datetime.now(UTC)) as snap,
    ):
        read(snap, cells_request(report))
