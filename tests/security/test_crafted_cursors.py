"""Test that the API rejects table cursors with numbers that the database cannot store."""

import base64
import json

import httpx
import pytest

from tests.support.security_table import Tally

ORDERS = {"report": "orders", "from": "2024-03-01", "to": "2024-04-30", "sort": "total", "pageSize": 1}


@pytest.fixture(scope="module")
def cursor(api: httpx.Client) -> list[object]:
    """Return the content of a valid cursor: the request, then an order's total and id."""
    text = api.get("/reports", params=ORDERS).raise_for_status().json()["nextCursor"]
    content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return list(content)


@pytest.mark.parametrize("number", ["1e999999", "-1e999999", "1e-999999", "1e131072", "1e40", "sNaN"])
def test_a_number_that_does_not_fit_is_422(
    api: httpx.Client, cursor: list[object], number: str, tally: Tally
) -> None:
    crafted = [cursor[0], ["number", number], *cursor[2:]]
    text = base64.urlsafe_b64encode(json.dumps(crafted).encode()).decode().rstrip("=")
    response = api.get("/reports", params=ORDERS | {"cursor": text})
    if response.status_code == 200:  # the database can compare this number with the orders' totals
        assert number in ("1e40", "1e-999999")
        tally.add(1, harmless=1)
        return
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/cursor"]
    tally.add(1)
