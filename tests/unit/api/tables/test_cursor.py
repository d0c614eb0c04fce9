import base64
import json
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
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
    ("sort", "value"),
    [
        ("madeAt", datetime(2024, 7, 19, 12, 30, 15, 7, UTC)),
        ("madeAt", datetime(2024, 7, 19, 12, 30, tzinfo=timezone(timedelta(hours=2)))),
        ("madeAt", datetime(1, 1, 1, tzinfo=UTC)),
        ("price", Decimal("9.90")),
        ("price", Decimal("-1E+20")),
        ("rate", 0.1),
        ("rate", 5e-324),
        ("day", date(2024, 7, 9)),
        ("hour", time(9, 5, 1, 20)),
        ("mark", MARK),
        ("yes", True),
        ("yes", False),
        ("words", ""),
        ("words", 'a "quoted"\nline, שלום 😀'),
        ("words", "2024-07-19"),
        ("whole", -5),
        ("large", 2**63 - 1),
        *[(key, None) for key in ("price", "rate", "day", "hour", "mark", "yes", "words", "whole")],
    ],
)
def test_values_survive_a_round_trip(sort: str, value: Any) -> None:
    text = cursor.encode(things_request(sort=sort), [value, 12])
    values = decoded(text, sort)
    assert values[1:] == [12]
    assert values[0] == value or float(values[0]) == value
    assert type(values[0]) is (Decimal if isinstance(value, float) else type(value))


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
    ("sort", "values"),
    [
        ("words", []),
        ("words", ["a"]),
        ("words", ["a", 1, 2]),
        ("words", [5, 1]),
        ("words", [True, 1]),
        ("words", [["a"], 1]),
        ("words", [{}, 1]),
        ("words", ["a\0b", 1]),
        ("words", ["\ud800", 1]),
        ("words", ["a", "1"]),
        ("words", ["a", 1.0]),
        ("words", ["a", True]),
        ("words", ["a", 2**63]),
        ("large", [10**4000, 1]),
        ("yes", [1, 1]),
        ("yes", ["true", 1]),
        ("mark", [5, 1]),
        ("mark", ["5", 1]),
        ("price", ["five", 1]),
        ("price", [5, 1]),
        ("price", [[0, [1], 2], 1]),
        ("day", ["2024-13-01", 1]),
        ("day", [20240701, 1]),
        ("hour", ["25:00", 1]),
        ("madeAt", ["yesterday", 1]),
        ("madeAt", [1720000000, 1]),
        ("madeAt", ["9999-12-31T23:59:59-23:59", 1]),
        ("madeAt", ["0001-01-01T00:00:00+23:59", 1]),
    ],
)
def test_a_forged_cursor_with_wrong_types_is_rejected(sort: str, values: list[Any]) -> None:
    assert refused(cursor_of(mark(sort), *values), sort) == [REFUSED]


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
