"""Test the conversion of table values to JSON."""

import json
import math
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import JSON, Column, Double
from sqlalchemy.types import TypeEngine

from api.tables.source import _json_value
from flows.query.report import type_name
from flows.rows.columns import OutputColumn


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Double(), 1.5, 1.5),
        (Double(), math.nan, "NaN"),
        (Double(), -math.inf, "-Infinity"),
        (JSON(), {"a": Decimal("1.50"), "b": [None, True]}, {"a": 1.5, "b": [None, True]}),
        (JSON(), [Decimal(10) ** 30], [10**30]),
        (JSON(), None, None),
    ],
)
def test_every_value_is_valid_json(kind: TypeEngine[Any], value: Any, expected: Any) -> None:
    column = OutputColumn("c", "C", type_name(kind), False, Column("c", kind))
    json_value = _json_value(value, column, ZoneInfo("UTC"))
    assert json.loads(json.dumps(json_value, allow_nan=False)) == expected
