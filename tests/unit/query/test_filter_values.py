import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, Enum

from flows.query.filters.values import parse_filter_value, value_from_text
from flows.query.report import Filter
from tests.support.sample_report import THINGS

ID = "899e1228-d7b8-40fc-8490-70e6f1efb338"
FILTERS = THINGS.filter_columns


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *[(name, None, None) for name in FILTERS],
        ("words", "wa", "wa"),
        ("words", "", ""),
        ("words", "x" * 1000, "x" * 1000),
        ("yes", True, True),
        ("yes", False, False),
        ("whole", -(2**63), -(2**63)),
        ("whole", 2**64 - 1, 2**64 - 1),
        ("large", -(2**63), -(2**63)),
        ("large", 2**64 - 1, 2**64 - 1),
        ("price", 5, Decimal("5")),
        ("price", 9.99, Decimal("9.99")),
        ("price", 0.1, Decimal("0.1")),
        ("rate", -1e299, Decimal("-1e299")),
        ("day", "2024-7-1", date(2024, 7, 1)),
        ("madeAt", "2024-07-01T02:00:00+02:00", datetime(2024, 7, 1, tzinfo=UTC)),
        ("mark", ID, UUID(ID)),
        ("mark", ID.upper(), UUID(ID)),
        ("size", "small", "small"),
    ],
)
def test_a_filter_value_is_parsed_to_the_type_of_its_column(name: str, value: Any, expected: Any) -> None:
    parsed = parse_filter_value(value, FILTERS[name])
    assert parsed == expected
    assert type(parsed) is type(expected)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("words", [1, True, 1.5, {}, [], "x" * 1001]),
        ("yes", ["true", 0, 1, "", "yes"]),
        ("whole", ["1", 1.0, True, 2**64, -(2**63) - 1, 10**400, {}]),
        ("large", ["1", 1.0, False, 2**64, -(2**63) - 1, 10**4000]),
        ("price", ["1", True, math.nan, math.inf, -math.inf, 10**300, 10**4000, {}]),
        ("rate", [1e300, -(10**400)]),
        ("day", ["2024-13-1", "2024-07-01T00:00:00Z", "now", 20240701, True]),
        ("madeAt", ["2024-07-01", "2024-07-01T00:00:00", "9999-12-31T23:59:59-23:59", 0]),
        ("mark", ["", "899e1228", 5, ID + "0", "x" * 36, ID.replace("8", "\uff18")]),
        ("size", ["medium", "", "SMALL", 1]),
    ],
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_rejected(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=r"must|is not a"):
            parse_filter_value(value, FILTERS[name])


def test_an_enum_column_limits_the_choices() -> None:
    colour = Filter(Column("colour", Enum("red", "green", name="colour")))
    assert parse_filter_value("red", colour) == "red"
    with pytest.raises(ValueError, match="must be one of red, green"):
        parse_filter_value("blue", colour)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("yes", "true", True),
        ("yes", "false", False),
        ("yes", "True", "True"),
        ("yes", "1", "1"),
        ("whole", "5", 5),
        ("whole", "-5", -5),
        ("whole", "5.5", "5.5"),
        ("whole", "1_000", "1_000"),
        ("whole", " 5", " 5"),
        ("whole", "\u0665", "\u0665"),
        ("whole", "", ""),
        ("whole", "9" * 5000, "9" * 5000),
        ("price", "9.99", Decimal("9.99")),
        ("price", "1e3", Decimal("1e3")),
        ("price", "nan", "nan"),
        ("price", "Infinity", "Infinity"),
        ("words", "true", "true"),
        ("words", "5", "5"),
        ("words", "null", "null"),
        ("day", "2024-7-1", "2024-7-1"),
    ],
)
def test_query_text_becomes_a_json_value_or_stays_text(name: str, text: str, value: Any) -> None:
    parsed = value_from_text(text, FILTERS[name])
    assert parsed == value
    assert type(parsed) is type(value)
