"""Test the general source on SQLite."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from flows.errors import UnreadableRow
from flows.rows.transform import Transform
from flows.sources import sqlalchemy_rows
from tests.support.engines import file_from_snapshot
from tests.support.golden import golden
from tests.support.sample_files import FULL, file_of, with_transform
from tests.support.sample_report import things_request, things_snapshot

UTC_ZONE = ZoneInfo("UTC")
pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")


def test_a_file_of_all_types() -> None:
    rows: list[dict[str, Any]] = [FULL, {}, {"words": "", "answers": {}, "extra": {}, "yes": False}]
    assert file_of(rows, things_request(timeZone="Europe/Berlin")) == golden("things.csv")


@pytest.mark.parametrize(
    ("fields", "file"),
    [
        ({"columns": ["id", "madeAt"]}, b"Id,Made at\n"),
        ({"columns": ["id", "madeAt"], "csv": {"header": "keys"}}, b"id,madeAt\n"),
        ({"columns": ["answers"], "csv": {"header": "keys"}}, b"answers.q1,answers.q2\n"),
        ({"columns": ["answers"]}, b"Which?,Which ones?\n"),
        ({"csv": {"header": "none"}}, b""),
    ],
)
def test_an_export_without_rows_contains_only_the_header(fields: dict[str, Any], file: bytes) -> None:
    assert file_of([], things_request(**fields)) == file


def test_columns_keep_the_requested_order() -> None:
    request = things_request(
        columns=["answers.q2", "whole", "answers.q1", "id"], csv={"header": "none"}, sort="id"
    )
    assert file_of([FULL, {}], request) == b'"one; two, three",3,' + "שלום 😀".encode() + b",1\n,,,2\n"


def test_integers_stay_integers_among_nulls() -> None:
    request = things_request(columns=["whole", "large"], csv={"header": "none"})
    rows = [{"whole": 1, "large": 2**62 + 1}, {}, {"whole": 3}]
    assert file_of(rows, request) == b"1,4611686018427387905\n,\n3,\n"


def test_no_row_is_lost_between_chunks() -> None:
    rows = sqlalchemy_rows.CHUNK_ROWS * 2 + 1
    request = things_request(columns=["id"], csv={"header": "none"}, sort="id")
    assert file_of([{}] * rows, request) == b"".join(b"%d\n" % n for n in range(1, rows + 1))


def test_time_zones_do_not_change_dates_and_times() -> None:
    request = things_request(columns=["day", "hour"], csv={"header": "none"}, timeZone="Asia/Kolkata")
    assert request.zone == ZoneInfo("Asia/Kolkata")
    assert file_of([FULL], request) == b"2024-07-09,09:05:00\n"


def stored(column: str, value: Any) -> Callable[[Connection], None]:
    """Return a function that stores a value in a column. SQLite accepts values of any type."""
    update = f"UPDATE things SET {column} = ? WHERE id = 2"  # noqa: S608 - `column` comes from this file
    return lambda connection: connection.exec_driver_sql(update, (value,))


@pytest.mark.parametrize("transform", [None, lambda frame: frame])
@pytest.mark.parametrize(
    ("column", "value", "key"),
    [
        ("day", "yesterday", "day"),
        ("extra", "{not json", "extra"),
        ("answers", '{"q1": ', "answers.q1"),
        ("answers", '{"q1": "\\ud800"}', "answers.q1"),
        ("mark", "no uuid", "mark"),
        ("price", "a lot", "price"),
        ("yes", "f", "yes"),
        ("yes", "no", "yes"),
        ("yes", 0.5, "yes"),
    ],
)
def test_the_error_names_row_and_column_of_an_unreadable_value(
    column: str, value: Any, key: str, transform: Transform | None
) -> None:
    with things_snapshot([{}, {}, {}]) as snap:
        stored(column, value)(snap.connection)
        with pytest.raises(UnreadableRow) as raised:
            file_from_snapshot(snap, with_transform(things_request(), transform))
    assert (
        str(raised.value)
        == f"Column {key} of the row with key 2 contains a value that cannot be written to the file."
    )


@pytest.mark.parametrize(("column", "key"), [("words", "words"), ("answers", "answers.q1"), ("day", "day")])
@pytest.mark.parametrize("rows_before", [0, sqlalchemy_rows.CHUNK_ROWS])
def test_the_error_names_row_and_column_of_text_that_is_not_utf8(
    column: str, key: str, rows_before: int
) -> None:
    with things_snapshot([{}] * rows_before + [FULL, {}, {}]) as snap:
        update = f"UPDATE things SET {column} = CAST(x'61ff' AS TEXT) WHERE id = ?"  # noqa: S608 - `column` comes from this file
        snap.connection.exec_driver_sql(update, (rows_before + 2,))
        with pytest.raises(UnreadableRow) as raised:
            file_from_snapshot(snap, things_request(sort="id"))
        assert snap.connection.exec_driver_sql("SELECT 'text'").scalar() == "text"
    assert f"Column {key} of the row with key {rows_before + 2} contains" in str(raised.value)


@pytest.mark.parametrize(
    ("answers", "file"),
    [
        ("[1]", b","),
        ("null", b","),
        ('"q1"', b","),
        ('{"q1": 1.50, "q2": [1e2, -0.0]}', b"1.50,100; 0.0"),
        ('{"q1": 12345678901234567890123, "q2": []}', b"12345678901234567890123,"),
        ('{"q1": {"bb": 1.0, "a": []}}', b'"{""a"": [], ""bb"": 1.0}",'),
        ('{"q1": 1, "q1": 2}', b"2,"),
    ],
)
def test_answers_are_read_as_stored(answers: str, file: bytes) -> None:
    with things_snapshot([{}, {}]) as snap:
        stored("answers", answers)(snap.connection)
        request = things_request(columns=["answers"], csv={"header": "none"}, sort="id")
        assert file_from_snapshot(snap, request) == b",\n" + file + b"\n"


def test_decimals_keep_every_digit_that_sqlite_stores() -> None:
    with things_snapshot([{}, {}, {}]) as snap:
        for number, price in enumerate([2**53 + 1, 9.9, 5], start=1):
            snap.connection.exec_driver_sql("UPDATE things SET price = ? WHERE id = ?", (price, number))
        request = things_request(columns=["price", "id"], csv={"header": "none"}, sort="id")
        assert file_from_snapshot(snap, request) == b"9007199254740993.00,1\n9.90,2\n5.00,3\n"
