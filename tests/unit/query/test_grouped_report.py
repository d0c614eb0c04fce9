"""Test paging through a grouped report that is sorted by an aggregate."""

from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, func, insert, select

from flows.query import statement
from flows.query.report import Report
from flows.query.request import parse_request

calls = Table(
    "calls", MetaData(), Column("id", Integer, primary_key=True), Column("caller", String, nullable=False)
)
REPORT = Report(
    name="per-caller",
    title="Per caller",
    select=select(calls.c.caller, func.count(calls.c.id).label("calls")).group_by(calls.c.caller),
    key=calls.c.caller,
    sort="-calls",
)


def test_paging_by_cursor_returns_every_group_once_in_order() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        calls.create(connection)
        rows = [{"caller": f"c{number % 7}"} for number in range(30)] + [{"caller": "c9"}]
        connection.execute(insert(calls), rows)
        request = parse_request({"report": "per-caller"}, {"per-caller": REPORT})
        terms = statement.order(request)
        columns = [column.expression for column in REPORT.table_columns.values()]
        whole = statement.rows(request, [*columns, *(term.expression for term in terms)])
        all_rows = connection.execute(whole).all()
        assert connection.execute(statement.count(request)).scalar_one() == len(all_rows) == 8

        paged, page_statement = [], whole
        while page := connection.execute(page_statement.limit(3)).all():
            paged += page
            page_statement = statement.rows_after(whole, terms, page[-1][len(columns) :])
        assert paged == all_rows
    engine.dispose()
