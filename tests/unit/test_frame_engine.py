from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from flows import frame_engine, statement
from flows.errors import TransformFailed
from flows.export import header
from flows.frame_engine import Chunk
from flows.report import Transform
from flows.request import ExportRequest
from tests.unit.golden import golden
from tests.unit.things import asked, opened

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

FULL = {
    "made_at": datetime(2024, 7, 19, 12, 30, 15, 7, UTC),
    "words": 'a "quoted", comma\r\nand a line',
    "whole": 3,
    "large": 2**63 - 1,
    "price": Decimal("9.90"),
    "rate": 1e15,
    "yes": True,
    "day": date(2024, 7, 9),
    "hour": time(9, 5),
    "mark": UUID("899e1228-d7b8-40fc-8490-70e6f1efb338"),
    "extra": {"bb": 1.5, "a": [None, "ü"]},
    "answers": {"q1": "שלום 😀", "q2": ["one", "two, three"]},
}


def file_of(rows: list[dict[str, Any]], request: ExportRequest, transform: Transform | None = None) -> bytes:
    with opened(rows) as taken:
        columns = statement.output_columns(request, taken.questions(statement.questions(request)))
        wanted = statement.rows(request, frame_engine.expressions(columns))
        chunks = [
            frame_engine.transformed(chunk, transform) for chunk in frame_engine.fetch(taken, wanted, columns)
        ]
    body = b"".join(frame_engine.to_csv(chunk, columns, request.zone) for chunk in chunks)
    return header(request, columns) + body


def test_a_whole_file() -> None:
    rows: list[dict[str, Any]] = [FULL, {}, {"words": "", "answers": {}, "extra": {}, "yes": False}]
    assert file_of(rows, asked(timeZone="Europe/Berlin")) == golden("things.csv")


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ({"columns": ["id", "madeAt"]}, b"Id,Made at\n"),
        ({"columns": ["id", "madeAt"], "csv": {"header": "keys"}}, b"id,madeAt\n"),
        ({"columns": ["answers"], "csv": {"header": "keys"}}, b"answers.q1,answers.q2\n"),
        ({"columns": ["answers"]}, b"Which?,Which ones?\n"),
        ({"csv": {"header": "none"}}, b""),
    ],
)
def test_an_export_of_no_rows_is_its_header(given: dict[str, Any], file: bytes) -> None:
    assert file_of([], asked(**given)) == file


def test_columns_stand_in_the_order_asked_for_whatever_their_kind() -> None:
    request = asked(columns=["answers.q2", "whole", "answers.q1", "id"], csv={"header": "none"}, sort="id")
    assert file_of([FULL, {}], request) == b'"one; two, three",3,' + "שלום 😀".encode() + b",1\n,,,2\n"


def test_whole_numbers_with_nulls_among_them_stay_whole() -> None:
    request = asked(columns=["whole", "large"], csv={"header": "none"})
    rows = [{"whole": 1, "large": 2**62 + 1}, {}, {"whole": 3}]
    assert file_of(rows, request) == b"1,4611686018427387905\n,\n3,\n"


def test_chunks_join_without_a_seam() -> None:
    rows = frame_engine.CHUNK_ROWS * 2 + 1
    request = asked(columns=["id"], csv={"header": "none"}, sort="id")
    assert file_of([{}] * rows, request) == b"".join(b"%d\n" % n for n in range(1, rows + 1))


@pytest.mark.parametrize(
    ("transform", "file"),
    [
        (lambda frame: frame, b"3,a\n,\n"),
        (lambda frame: frame.assign(words=frame["words"].str.upper()), b"3,A\n,\n"),
        (lambda frame: frame.assign(whole=frame["whole"].astype("Int64") + 1), b"4,a\n,\n"),
        (lambda frame: frame.assign(whole=frame["whole"].astype(float)), b"3,a\n,\n"),
        (lambda frame: frame.assign(extra_column=1), b"3,a\n,\n"),
        (lambda frame: frame[["words", "whole"]], b"3,a\n,\n"),
        (lambda frame: frame.sort_index(ascending=False), b",\n3,a\n"),
        (lambda frame: frame.fillna("none"), b"3,a\nnone,none\n"),
    ],
)
def test_a_transform_may_change_values(transform: Transform, file: bytes) -> None:
    request = asked(columns=["whole", "words"], csv={"header": "none"})
    assert file_of([{"whole": 3, "words": "a"}, {}], request, transform) == file


def _raise(frame: pd.DataFrame) -> pd.DataFrame:
    raise KeyError("postgresql://user:secret@host")


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        (_raise, "The report's transform raised KeyError."),
        (lambda frame: frame.drop(columns=["words"]), "The report's transform dropped words."),
        (lambda frame: frame.head(1), "The report's transform changed the number of rows."),
        (lambda frame: pd.concat([frame, frame]), "The report's transform changed the number of rows."),
        (lambda frame: None, "The report's transform returned no DataFrame."),
        (lambda frame: frame["words"], "The report's transform returned no DataFrame."),
    ],
)
def test_a_transform_that_does_more_fails_the_export_in_words(
    transform: Callable[[pd.DataFrame], Any], sentence: str
) -> None:
    chunk = Chunk(2, pd.DataFrame({"whole": [1, 2], "words": ["a", "b"]}, dtype=object))
    with pytest.raises(TransformFailed) as raised:
        frame_engine.transformed(chunk, transform)
    assert str(raised.value) == sentence


def test_a_transform_cannot_reach_the_rows_behind_its_frame() -> None:
    def wipe(frame: pd.DataFrame) -> pd.DataFrame:
        frame["words"] = "gone"
        return frame

    chunk = Chunk(1, pd.DataFrame({"words": ["a"]}, dtype=object))
    frame_engine.transformed(chunk, wipe)
    assert chunk.frame["words"].tolist() == ["a"]


def test_zones_do_not_change_what_is_no_moment() -> None:
    request = asked(columns=["day", "hour"], csv={"header": "none"}, timeZone="Asia/Kolkata")
    assert request.zone == ZoneInfo("Asia/Kolkata")
    assert file_of([FULL], request) == b"2024-07-09,09:05:00\n"
