"""Test the conversion of table values to JSON."""

import json
from typing import Any

import pytest
from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, Numeric, Text
from sqlalchemy.types import TypeEngine

from api.tables.page_rows import json_of_text
from flows.query.report import type_name
from flows.rows.columns import OutputColumn


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Double(), "1.5", 1.5),
        (Double(), "NaN", "NaN"),
        (Double(), "-Infinity", "-Infinity"),
        (Numeric(), "1.50", "1.50"),
        (BigInteger(), "352776136104522888", 352776136104522888),
        (BigInteger(), "1.5", "1.5"),
        (Boolean(), "true", True),
        (Boolean(), "5", "5"),
        (Text(), "true", "true"),
        (JSON(), '{"a": 1.50, "b": [null, true]}', {"a": 1.5, "b": [None, True]}),
        (JSON(), f"[{10**30}]", [10**30]),
        (JSON(), '{"a": 1e999}', '{"a": 1e999}'),
        (JSON(), '["\\ud800"]', '["\\ud800"]'),
        (JSON(), "9" * 5001, "9" * 5001),
        (JSON(), "[" * 900 + "]" * 900, "[" * 900 + "]" * 900),
        (JSON(), "[" * 90 + "]" * 90, json.loads("[" * 90 + "]" * 90)),
        (JSON(), "{not json", "{not json"),
    ],
)
def test_a_cell_is_json_where_json_can_represent_it(kind: TypeEngine[Any], text: str, expected: Any) -> None:
    column = OutputColumn("c", "C", type_name(kind), False, Column("c", kind))
    value = json_of_text(text, column)
    assert (value, type(value)) == (expected, type(expected))
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
