"""Test PostgreSQL exports with percent signs in names and operators, with and without bound parameters."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, insert, literal_column, select

from flows.query.report import Report
from flows.query.request import parse_request
from flows.sources.snapshot import open_engine
from tests.support.engines import file_by_copy, file_by_copy_chunks, file_by_sqlalchemy, with_transform

shares = Table("share 100%", MetaData(), Column("id", Integer, primary_key=True), Column("Total (%)", Text))
BUCKET = literal_column('"share 100%".id % 7', Integer).label("bucket")
REPORT = Report(
    name="shares",
    title="Shares",
    select=select(shares.c.id, shares.c["Total (%)"], BUCKET),
    key=shares.c.id,
    filters={"id": shares.c.id},
)


@pytest.fixture(scope="module")
def engine(scratch_url: str) -> Iterator[Engine]:
    engine = open_engine(scratch_url, connect_seconds=5)
    shares.metadata.drop_all(engine)
    shares.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(shares), [{"id": 9, "Total (%)": "5%%"}])
    yield engine
    shares.metadata.drop_all(engine)
    engine.dispose()


@pytest.mark.parametrize("fields", [{}, {"filters": {"id": 9}}, {"csv": "rfc4180"}], ids=str)
def test_a_percent_sign_in_a_name_or_an_operator(engine: Engine, fields: dict[str, object]) -> None:
    request = parse_request({"report": "shares"} | fields, {"shares": REPORT})
    content = file_by_copy(engine, request)
    assert content.split() == [b"Id,Total", b"(%),Bucket", b"9,5%%,2"]
    assert file_by_sqlalchemy(engine, request) == content
    assert file_by_copy_chunks(engine, with_transform(request)) == content
