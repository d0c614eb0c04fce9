"""Test that many slow reads by one caller do not make other callers' requests fail.

Before there was a limit per caller, export starts and `/readyz` returned 503 to all callers.
"""

import logging
import secrets
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from api.access.api_keys import KeyFile
from tests.support.export_client import EMPTY_SURVEY, SURVEY
from tests.support.security_table import Tally

CONNECTIONS, ROUNDS, PAUSE_SECONDS = 60, 4, 0.3
DAYS = {"from": "2024-07-08", "to": "2025-07-07"}
LATE_PAGE: dict[str, str | int] = {"surveyId": SURVEY, **DAYS, "sort": "-respondentEmail,id", "pageSize": 100}

logger = logging.getLogger(__name__)


@pytest.fixture
def tokens(guarded_keys: Path) -> dict[str, str]:
    """Return an API key for the attacker and one for another caller."""
    file = KeyFile(guarded_keys)
    names = {name: f"{name}-{secrets.token_hex(6)}" for name in ("attacker", "other")}
    return {name: file.create(caller, None, datetime.now(UTC)) for name, caller in names.items()}


def last_page(client: httpx.Client) -> int:
    total = client.get("/reports", params=LATE_PAGE).raise_for_status().json()["total"]
    return -(-int(total) // int(LATE_PAGE["pageSize"]))


@contextmanager
def reading_all_the_time(url: str, token: str, page: int) -> Iterator[Counter[int]]:
    """Keep requesting the page over many connections during the block.

    Yield a counter that maps each status to its number of responses.
    """
    statuses, is_over = Counter[int](), threading.Event()
    threads = [
        threading.Thread(target=read_until, args=(is_over, url, token, page, statuses))
        for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def read_until(is_over: threading.Event, url: str, token: str, page: int, statuses: Counter[int]) -> None:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
    path = f"/reports?{urlencode(LATE_PAGE | {'page': page})}"
    while not is_over.is_set():
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        response.read()
        statuses[response.status] += 1
    connection.close()


def test_starts_and_readiness_succeed_while_a_caller_reads_late_pages(
    guarded_url: str, tokens: dict[str, str], tally: Tally
) -> None:
    """Durations are logged but not asserted, because they vary too much between machines."""
    headers = {"Authorization": f"Bearer {tokens['other']}"}
    with httpx.Client(base_url=guarded_url, headers=headers, timeout=60, trust_env=False) as other:
        page = last_page(other)
        before = median_seconds(other)
        with reading_all_the_time(guarded_url, tokens["attacker"], page) as statuses:
            during = median_seconds(other)
    logger.info("median seconds before %s, during %s, responses to the attacker %s", before, during, statuses)
    assert statuses.keys() <= {200, 429}
    assert statuses[200] > 0
    tally.add(CONNECTIONS)


def median_seconds(client: httpx.Client) -> dict[str, float]:
    """Return the median durations of an export start and a readiness check in seconds."""
    seconds: dict[str, list[float]] = {"start": [], "check": []}
    for _ in range(ROUNDS):
        time.sleep(PAUSE_SECONDS)
        seconds["start"].append(start(client))
        seconds["check"].append(check(client))
    return {what: statistics.median(values) for what, values in seconds.items()}


def start(client: httpx.Client) -> float:
    request = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2", "name": secrets.token_hex(8)}
    response = client.post("/exports", json=request)
    assert response.status_code == 202, response.text
    return response.elapsed.total_seconds()


def check(client: httpx.Client) -> float:
    response = client.get("/readyz")
    assert response.status_code == 200, response.text
    return response.elapsed.total_seconds()
