"""A report over groups, sorted by an aggregate, is paged like any other."""

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


def test_pages_by_cursor_are_all_groups_in_order_each_once() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        calls.create(connection)
        rows = [{"caller": f"c{number % 7}"} for number in range(30)] + [{"caller": "c9"}]
        connection.execute(insert(calls), rows)
        request = parse_request({"report": "per-caller"}, {"per-caller": REPORT})
        terms = statement.order(request)
        columns = [column.expression for column in REPORT.table_columns.values()]
        whole = statement.rows(request, [*columns, *(term.expression for term in terms)])
        found = connection.execute(whole).all()
        assert connection.execute(statement.count(request)).scalar_one() == len(found) == 8

        paged, wanted = [], whole
        while page := connection.execute(wanted.limit(3)).all():
            paged += page
            wanted = statement.rows_after(whole, terms, page[-1][len(columns) :])
        assert paged == found
    engine.dispose()
