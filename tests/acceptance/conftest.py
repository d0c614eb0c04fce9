from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.export_client import ARTICLES_REQUEST, EMPTY_SURVEY, ONE_ROW_SURVEY, Session, export_all
from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack

REQUESTS = {
    "article": ARTICLES_REQUEST,
    "no rows": {"surveyId": EMPTY_SURVEY, "from": "2025-01-01", "to": "2025-12-31"},
    "one row": {"surveyId": ONE_ROW_SURVEY, "from": "2024-09-24", "to": "2024-09-24"},
    "orders": {
        "report": "orders",
        "from": "2024-03-01",
        "to": "2024-04-30",
        "filters": {"currency": ["EUR", "JPY"]},
        "timeZone": "Europe/Madrid",
    },
}


@pytest.fixture(scope="session")
def sessions(api: httpx.Client) -> dict[str, Session]:
    """Run all `REQUESTS` concurrently and return the finished exports."""
    return export_all(api, REQUESTS)


@pytest.fixture(scope="session")
def article(sessions: dict[str, Session]) -> Session:
    return sessions["article"]


@pytest.fixture(scope="session")
def guarded_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the key file of the guarded API. Each test module creates keys for its own callers."""
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="session")
def guarded_url(stack: Stack, guarded_keys: Path) -> Iterator[str]:
    """Start another API on the stack that requires a key."""
    with extra_processes(stack) as processes:
        yield processes.start_api(REPORTS_KEYS_FILE=str(guarded_keys), REPORTS_OUTAGE_SECONDS="60")
