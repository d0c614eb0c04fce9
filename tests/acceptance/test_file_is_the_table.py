"""Test that the pages of the table contain the same rows in the same order as the export."""

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import csv_reader
from tests.support.export_client import SURVEY, Session, export_all
from tests.support.guarantee_table import GuaranteeTable

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
PAGE_SIZE = 37  # The number of rows is not a multiple of this, so the last page is shorter.


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
    table = list(pages(api, REQUESTS[name], by))
    names, rows = csv_reader.read(exports[name].file())
    assert len(rows) > 2 * PAGE_SIZE
    assert differences(table, names, rows) == []


def differences(table: list[dict[str, Any]], names: list[str], rows: list[Any]) -> list[str]:
    """Return a message for each kind of difference between the table's pages and the file."""
    columns = table[0]["columns"]
    items = [[item[column["key"]] for column in columns] for page in table for item in page["items"]]
    cells = [[to_cell(value) for value in item] for item in items]
    expected = [convert_floats(item, row) for item, row in zip(items, rows, strict=False)]
    checks = {
        "the totals differ": {page["total"] for page in table} != {len(rows)},
        "the headings differ": [column["label"] for column in columns] != names,
        "the number of rows differs": len(items) != len(rows),
        "the cells differ": cells[: len(expected)] != expected,
    }
    return [name for name, differs in checks.items() if differs]


def convert_floats(item: list[Any], row: list[Any]) -> list[Any]:
    """Convert each cell of a file row to a float if the corresponding value in the table is a float."""
    pairs = zip(item, row, strict=True)
    return [float(cell) if isinstance(value, float) and cell is not None else cell for value, cell in pairs]


RANDOM_REQUESTS, LONG_RUN_REQUESTS = 4, 60
COLUMNS = {
    "orders": [
        "number",
        "placedAt",
        "status",
        "customer",
        "total",
        "discountRate",
        "items",
        "shippedOn",
        "gift",
    ],
    "survey-responses": ["id", "submittedAt", "isAttended", "utm", "country", "score", "answers.topics"],
}
SORTS = {
    "orders": ["placedAt", "total", "discountRate", "shippedOn", "status"],
    "survey-responses": ["submittedAt", "score", "utm", "country"],
}
FILTERS: dict[str, dict[str, list[Any]]] = {
    "orders": {
        "status": ["pending", "paid", ["shipped", "refunded"]],
        "gift": [True, False],
        "items": [1, [2, 3], {"gte": 3}],
    },
    "survey-responses": {
        "isAttended": [True, False],
        "utm": ["wa", None, ["fb", None], {"not": "wa"}],
    },
}


def random_request(chance: random.Random) -> dict[str, Any]:
    report = chance.choice(list(COLUMNS))
    scope = {"surveyId": SURVEY} if report == "survey-responses" else {}
    month, day = chance.randint(1, 12), chance.randint(1, 14)
    sort = chance.sample(SORTS[report], chance.randint(1, 2))
    filters = chance.sample(sorted(FILTERS[report]), chance.randint(0, 2))
    return {
        "report": report,
        **scope,
        "from": f"2024-{month:02}-{day:02}",
        "to": f"2024-{month:02}-{day + 14:02}",
        "timeZone": chance.choice(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        "columns": chance.sample(COLUMNS[report], chance.randint(1, len(COLUMNS[report]))),
        "sort": ",".join(chance.choice(["", "-"]) + key for key in sort),
        "filters": {name: chance.choice(FILTERS[report][name]) for name in filters},
    }


def test_all_pages_of_random_requests_equal_the_file(
    api: httpx.Client, guarantees: GuaranteeTable, is_long_run: bool
) -> None:
    chance = random.Random(guarantees.seed)  # noqa: S311 - not a secret
    count = LONG_RUN_REQUESTS if is_long_run else RANDOM_REQUESTS
    requests = {str(number): random_request(chance) for number in range(count)}
    files = {name: csv_reader.read(session.file()) for name, session in export_all(api, requests).items()}
    tables = {name: list(pages(api, requests[name], "cursor")) for name in requests}
    wrong = {
        name: (requests[name], texts)
        for name, (names, rows) in files.items()
        if (texts := differences(tables[name], names, rows))
    }
    largest = max(files, key=lambda name: len(files[name][1]))
    names, rows = files[largest]
    guarantees.add(
        "G6: a file equals the table",
        count,
        len(wrong),
        f"random filters, sort keys and columns; {sum(len(rows) for _, rows in files.values()):,} rows",
        "a file without its last row differs",
        differences(tables[largest], names, rows[:-1]) != [],
    )
    assert wrong == {}, f"seed {guarantees.seed}"


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
