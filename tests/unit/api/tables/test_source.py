"""Test that a numbered page contains the same rows whichever end of the table it is read from."""

from hypothesis import given
from hypothesis import strategies as st

from api.tables.source import numbered_page
from flows.query import statement
from tests.support.sample_report import things, things_request, things_snapshot


@given(
    wholes=st.lists(st.none() | st.integers(-1, 1), max_size=9),
    first=st.integers(0, 12),
    limit=st.integers(1, 4),
    sort=st.sampled_from(["whole", "-whole", "-id"]),
)
def test_a_numbered_page_is_a_slice_of_all_rows(
    wholes: list[int | None], first: int, limit: int, sort: str
) -> None:
    request, columns = things_request(sort=sort), [things.c.id, things.c.whole]
    with things_snapshot([{"whole": whole} for whole in wholes]) as snapshot:
        everything = snapshot.connection.execute(statement.rows(request, columns)).all()
        page = numbered_page(snapshot, request, columns, first, limit, len(wholes))
    assert list(page) == list(everything)[first : first + limit]
