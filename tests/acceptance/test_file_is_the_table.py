"""Test that the pages of the table contain the same rows in the same order as the export."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import csv_reader
from tests.support.export_client import SURVEY, Session, export_all

WEEK = {"surveyId": SURVEY, "from": "2024-8-1", "to": "2024-8-7"}
ORDERS = {"report": "orders", "from": "2024-05-01", "to": "2024-05-31"}
REQUESTS: dict[str, dict[str, Any]] = {
    "default order": WEEK | {"filters": {"utm": ["wa", None], "isAttended": False}},
    "newest first": WEEK | {"sort": "-submittedAt", "timeZone": "America/New_York"},
    "nulls last, ascending": WEEK | {"sort": "score,-country", "columns": ["id", "score", "country"]},
    "nulls last, descending": WEEK
    | {"sort": "-score", "columns": ["answers.topics", "score", "answers.spent"]},
    "orders by a nullable date": ORDERS | {"sort": "-shippedOn,total"},
    "orders by a float": ORDERS | {"sort": "discountRate", "filters": {"gift": False, "items": [1, 2, 3]}},
}
PAGE_SIZE = 37  # This does not divide the number of rows, so the last page is shorter.


@pytest.fixture(scope="module")
def exports(api: httpx.Client) -> dict[str, Session]:
    return export_all(api, REQUESTS)


def as_query(request: dict[str, Any]) -> dict[str, str]:
    texts = {key: value for key, value in request.items() if isinstance(value, str)}
    if "columns" in request:
        texts["columns"] = ",".join(request["columns"])
    if "filters" in request:
        texts["filters"] = json.dumps(request["filters"])
    return texts


def pages(api: httpx.Client, request: dict[str, Any], by: str) -> Iterator[dict[str, Any]]:
    position: dict[str, Any] = {}
    number = 1
    while True:
        query = {**as_query(request), "pageSize": PAGE_SIZE, **position}
        page = api.get("/reports", params=query).raise_for_status().json()
        yield page
        number += 1
        if page["nextCursor"] is None:
            return
        position = {"cursor": page["nextCursor"]} if by == "cursor" else {"page": number}


@pytest.mark.parametrize("by", ["page", "cursor"])
@pytest.mark.parametrize("name", REQUESTS)
def test_all_pages_together_equal_the_file(
    api: httpx.Client, exports: dict[str, Session], name: str, by: str
) -> None:
    names, rows = csv_reader.read(exports[name].file())
    table = list(pages(api, REQUESTS[name], by))
    columns = table[0]["columns"]
    items = [[item[column["key"]] for column in columns] for page in table for item in page["items"]]
    assert len(rows) > 2 * PAGE_SIZE
    assert {page["total"] for page in table} == {len(rows)}
    assert [column["label"] for column in columns] == names
    for item, row in zip(items, rows, strict=True):
        assert [to_cell(value) for value in item] == [
            float(cell) if isinstance(value, float) and cell is not None else cell
            for value, cell in zip(item, row, strict=True)
        ]


def to_cell(value: Any) -> Any:
    """Convert a JSON value to cell text. Return floats unchanged, because JSON formats them differently."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, float | str) else str(value)


@pytest.mark.parametrize("name", ["nulls last, ascending", "nulls last, descending"])
def test_the_sort_columns_of_these_requests_contain_nulls(exports: dict[str, Session], name: str) -> None:
    _, rows = csv_reader.read(exports[name].file())
    scores = [row[1] for row in rows]
    first_null = scores.index(None)
    assert first_null > 0
    assert set(scores[first_null:]) == {None}


def test_a_page_past_the_end_is_empty(api: httpx.Client) -> None:
    page = api.get("/reports", params={**as_query(WEEK), "page": 100_000}).raise_for_status().json()
    assert page["items"] == []
    assert page["total"] > 0
    assert page["nextCursor"] is None
