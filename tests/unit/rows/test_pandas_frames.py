"""Test that transforms receive every chunk as a DataFrame and can change only its values."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Date, DateTime, Double, Integer, LargeBinary, Numeric, Text
from sqlalchemy.types import TypeEngine

from flows.errors import TransformFailed
from flows.formats import column_text
from flows.formats.csv import chunks as csv_chunks
from flows.formats.csv.options import PRESETS
from flows.query.report import type_name
from flows.rows import pandas_frames
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk
from flows.rows.transform import Transform, transform_chunk
from tests.support.sample_files import FULL, file_of
from tests.support.sample_report import things_request

UTC_ZONE = ZoneInfo("UTC")
pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")


def received_frame(rows: list[dict[str, Any]], **fields: Any) -> pd.DataFrame:
    """Return the frame that a transform receives."""
    frames: list[pd.DataFrame] = []

    def record(frame: pd.DataFrame) -> pd.DataFrame:
        frames.append(frame)
        return frame

    file_of(rows, things_request(**fields), record)
    return pd.concat(frames)


@pytest.mark.parametrize(
    ("transform", "file"),
    [
        (lambda frame: frame, b"3,a\n,\n"),
        (lambda frame: frame.assign(words=frame["words"].str.upper()), b"3,A\n,\n"),
        (lambda frame: frame.assign(whole=frame["whole"].astype("Int64") + 1), b"4,a\n,\n"),
        (lambda frame: frame.assign(whole=frame["whole"].astype(float)), b"3,a\n,\n"),
        (lambda frame: frame.assign(extra_column=1), b"3,a\n,\n"),
        (lambda frame: frame[frame.columns[::-1]], b"3,a\n,\n"),
        (lambda frame: frame.sort_index(ascending=False), b",\n3,a\n"),
        (lambda frame: frame.astype(object).fillna("none"), b"3,a\nnone,none\n"),
        (lambda frame: frame.assign(words=frame["words"].fillna("")), b'3,a\n,""\n'),
        (lambda frame: frame.assign(words=frame["words"].astype("category")), b"3,a\n,\n"),
        (lambda frame: frame.assign(words=[{"k": 1}, float("nan")]), b'3,"{""k"": 1}"\n,\n'),
        (lambda frame: frame.assign(whole=np.array([7, 8], dtype="int8")), b"7,a\n8,\n"),
        (lambda frame: frame.assign(whole=[np.float64(0.5), None]), b"0.5,a\n,\n"),
    ],
)
def test_a_transform_may_change_values(transform: Transform, file: bytes) -> None:
    request = things_request(columns=["whole", "words"], csv={"header": "none"})
    assert file_of([{"whole": 3, "words": "a"}, {}], request, transform) == file


def _raise(frame: pd.DataFrame) -> pd.DataFrame:
    raise KeyError("postgresql://user:secret@host")


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (_raise, "raised KeyError."),
        (lambda frame: frame.drop(columns=["words"]), "dropped columns: words."),
        (lambda frame: frame.head(1), "changed the number of rows from 2 to 1."),
        (lambda frame: pd.concat([frame, frame]), "changed the number of rows from 2 to 4."),
        (lambda frame: None, "did not return a DataFrame."),
        (lambda frame: frame["words"], "did not return a DataFrame."),
        (lambda frame: pd.concat([frame, frame["words"]], axis=1), "returned duplicate columns: words."),
        (
            lambda frame: frame.assign(madeAt=frame["madeAt"].dt.tz_localize(None)),
            "returned timestamps without a time zone in madeAt.",
        ),
    ],
)
def test_a_transform_that_returns_anything_else_fails_the_export(
    transform: Callable[[pd.DataFrame], Any], message: str
) -> None:
    with pytest.raises(TransformFailed) as raised:
        file_of([{"whole": 1}, {}], things_request(columns=["whole", "words", "madeAt"]), transform)
    assert str(raised.value) == f"The report's transform (recoded_things.py) {message}"


def test_a_transform_receives_pandas_types() -> None:
    frame = received_frame([FULL, {}], timeZone="Europe/Berlin")
    assert {key: str(dtype) for key, dtype in frame.dtypes.items()} == {
        "id": "Int64",
        "madeAt": "datetime64[us, Europe/Berlin]",
        "words": "string",
        "whole": "Int64",
        "large": "Int64",
        "price": "object",
        "rate": "Float64",
        "yes": "boolean",
        "day": "datetime64[us]",
        "hour": "object",
        "mark": "string",
        "extra": "object",
        "answers.q1": "string",
        "answers.q2": "string",
    }


def test_types_do_not_depend_on_a_chunks_values() -> None:
    full, empty = received_frame([FULL]), received_frame([{}])
    assert full.dtypes.to_dict() == empty.dtypes.to_dict()


def test_a_transform_can_compute_with_its_columns() -> None:
    def recode(frame: pd.DataFrame) -> pd.DataFrame:
        frame["whole"] = frame["whole"] * 2
        frame["words"] = frame["words"].str.len().astype("string")
        frame["day"] = frame["madeAt"].dt.tz_localize(None).dt.normalize()
        frame["price"] = frame["price"].map(lambda price: price * 2, na_action="ignore")
        frame["yes"] = ~frame["yes"]
        return frame

    request = things_request(
        columns=["whole", "words", "day", "price", "yes", "madeAt"],
        csv={"header": "none", "dateTimes": "local"},
        timeZone="Pacific/Auckland",
    )
    rows = [FULL | {"words": "abc"}, {"made_at": datetime(2024, 7, 19, 11, 59, tzinfo=UTC)}]
    assert file_of(rows, request, recode) == (
        b",,2024-07-19,,,2024-07-19 23:59:00\n6,3,2024-07-20,19.80,false,2024-07-20 00:30:15\n"
    )


values = {
    "words": st.none()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4),
    "whole": st.none() | st.integers(-(2**31), 2**31 - 1),
    "large": st.none() | st.integers(-(2**63), 2**63 - 1),
    "price": st.none() | st.decimals(-(10**6), 10**6, places=2),
    "rate": st.none() | st.floats(allow_nan=False),
    "yes": st.none() | st.booleans(),
    "day": st.none() | st.dates(),
    "hour": st.none() | st.times(),
    "mark": st.none() | st.uuids(),
    "extra": st.none() | st.lists(st.integers() | st.none(), max_size=2),
    "made_at": st.datetimes(datetime.fromisoformat("2024-07-01"), datetime.fromisoformat("2024-07-31")),
}


@given(rows=st.lists(st.fixed_dictionaries(values), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_transform_that_changes_nothing_keeps_every_byte(rows: list[dict[str, Any]]) -> None:
    request = things_request(timeZone="Asia/Kathmandu")
    assert file_of(rows, request, lambda frame: frame) == file_of(rows, request)


def test_nan_is_not_null_in_a_frame() -> None:
    rate = OutputColumn("rate", "Rate", "number", False, Column("rate", Double))
    numbers = pa.array([math.nan, None, 1.0, math.inf])
    series = pandas_frames.frame_of([numbers], [rate], UTC_ZONE)["rate"]
    texts = column_text.texts(pandas_frames.values_of(series, rate), rate, UTC_ZONE, PRESETS["plain"])
    assert texts.to_pylist() == ["NaN", None, "1", "Infinity"]


FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
KINDS = [
    (
        Integer(),
        [2**63, -(2**63) - 1, 10**30],
        b"9223372036854775808\n-9223372036854775809\n1" + b"0" * 30,
    ),
    (Double(), [float("nan"), float("inf"), None], b"NaN\nInfinity\n"),
    (Numeric(), [Decimal("NaN"), Decimal("1.10"), None], b"NaN\n1.10\n"),
    (Date(), [date(1, 1, 1), date(9999, 12, 31), None], b"0001-01-01\n9999-12-31\n"),
    (Date(), ["infinity", date(2024, 1, 1), None], b"infinity\n2024-01-01\n"),
    (
        DateTime(),
        [LAST.replace(tzinfo=None), FIRST.replace(tzinfo=None)],
        b"9999-12-31T23:59:59.999999\n0001-01-01T00:00:00.000000",
    ),
    (
        DateTime(timezone=True),
        [LAST, "-infinity"],
        b"10000-01-01 05:44:59.999999+05:45\n-infinity",
    ),
    (DateTime(timezone=True), [LAST], b"10000-01-01 05:44:59.999999+05:45"),
    (LargeBinary(), [b"\x00", None], b"\\x00\n"),
    (Text(), ["\ud800", "", None], None),
]


@pytest.mark.parametrize(("kind", "cells", "file"), KINDS)
@pytest.mark.parametrize("transform", [None, lambda frame: frame])
def test_values_without_a_dtype_keep_their_text(
    kind: TypeEngine[Any], cells: list[Any], file: bytes | None, transform: Transform | None
) -> None:
    column = OutputColumn("c", "C", type_name(kind), False, Column("c", kind))
    request = things_request(timeZone="Asia/Kathmandu")
    chunk = Chunk([cells], list(range(len(cells))))
    ready = transform_chunk(chunk, [column], transform, request.zone, "")
    if file is None:
        assert list(ready.values[0]) == cells
        return
    # A second column is needed because a null would be quoted if it were the only value on its line.
    end = OutputColumn("e", "E", "string", False, Column("e", Text()))
    both = Chunk([ready.values[0], ["."] * len(cells)], chunk.keys)
    written = csv_chunks.to_csv(both, [column, end], request.zone, request.options)
    lines = file.split(b"\n")
    assert written == b"".join(line + b",.\n" for line in lines)


def test_a_report_without_a_transform_builds_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[object] = []
    monkeypatch.setattr(pandas_frames, "frame_of", lambda *arguments: frames.append(arguments))
    file_of([FULL], things_request())
    assert frames == []
