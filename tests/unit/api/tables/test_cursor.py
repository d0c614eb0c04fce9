import base64
import json
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.tables import cursor
from flows.errors import FieldError, InvalidRequest
from flows.query import statement
from tests.support.sample_report import things_request

REFUSED = FieldError("/cursor", "invalid", "The cursor is malformed or belongs to another request.")
MARK = UUID("899e1228-d7b8-40fc-8490-70e6f1efb338")


def decoded(text: str, sort: str) -> list[Any]:
    request = things_request(sort=sort)
    return cursor.decode(text, request, statement.order(request))


def refused(text: str, sort: str) -> list[FieldError]:
    with pytest.raises(InvalidRequest) as raised:
        decoded(text, sort)
    return raised.value.errors


def cursor_of(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def mark(sort: str) -> str:
    return things_request(sort=sort).fingerprint[:16]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0.1,
        5e-324,
        -5,
        2**64 - 1,
        "",
        'a "quoted"\nline, שלום 😀',
        "0044-03-15 00:00:00+00 BC",
        Decimal("9.90"),
        Decimal("-1E+20"),
        b"\x00\xff",
        datetime(2024, 7, 19, 12, 30, 15, 7, UTC),
        datetime(9999, 12, 31, 23, 59),  # noqa: DTZ001 - drivers return naive timestamps
        date(2024, 7, 9),
        time(9, 5, 1, 20),
        MARK,
    ],
)
def test_values_of_every_driver_survive_a_round_trip(value: Any) -> None:
    decoded_value, number = decoded(cursor.encode(things_request(sort="words"), [value, 12]), "words")
    assert (decoded_value, number) == (value, 12)
    assert type(decoded_value) is type(value)


def test_a_cursor_is_safe_in_a_url() -> None:
    text = cursor.encode(things_request(sort="words"), ["??>>~~ÿ" * 10, 1])
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("other", [{"sort": "-words"}, {"shop": "there"}, {"filters": {"whole": 1}}])
def test_a_cursor_of_another_request_is_rejected(other: dict[str, Any]) -> None:
    text = cursor.encode(things_request(**{"sort": "words"} | other), ["a", 1])
    assert refused(text, "words") == [REFUSED]


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_a_truncated_cursor_is_rejected(length: int) -> None:
    assert refused(cursor.encode(things_request(sort="words"), ["a" * 40, 1])[:length], "words") == [REFUSED]


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["a"],
        ["a", 1, 2],
        [["a"], 1],
        [{}, 1],
        ["a\0b", 1],
        ["\ud800", 1],
        ["a", 2**64],
        [10**4000, 1],
        [["number", "five"], 1],
        [["number", 5], 1],
        [["bytes", "xyz"], 1],
        [["date", "2024-13-01"], 1],
        [["time", "25:00"], 1],
        [["date-time", "yesterday"], 1],
        [["uuid", "5"], 1],
        [["unknown", "5"], 1],
        [[[], "5"], 1],
        [["number", "1", "2"], 1],
    ],
)
def test_a_forged_cursor_is_rejected(values: list[Any]) -> None:
    assert refused(cursor_of(mark("words"), *values), "words") == [REFUSED]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "a",
        "!!!!",
        "äöü",
        "\ud800",
        "a b c",
        "AAAA",
        "/+/+",
        cursor_of(),
        cursor_of(None),
        base64.urlsafe_b64encode(b'"text"').decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"9" * 5000).decode(),
        base64.urlsafe_b64encode(b"[" * 48_000).decode(),
    ],
)
def test_garbage_is_rejected(text: str) -> None:
    assert refused(text, "words") == [REFUSED]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.text(max_size=60)
    | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode())
    | JSON_VALUES.map(cursor_of)
)
@settings(max_examples=100)
def test_random_text_raises_invalid_request(text: str) -> None:
    assert refused(text, "words") == [REFUSED]


@given(
    sort=st.sampled_from(["words", "whole", "price", "yes", "day", "hour", "madeAt", "mark"]),
    values=st.lists(JSON_VALUES, max_size=3),
)
@settings(max_examples=100)
def test_a_forged_cursor_raises_only_invalid_request(sort: str, values: list[Any]) -> None:
    with suppress(InvalidRequest):
        assert len(decoded(cursor_of(mark(sort), *values), sort)) == 2
