import httpx
import pytest

from tests.support.export_client import ARTICLES_REQUEST, EMPTY_SURVEY, ONE_ROW_SURVEY, Session, export_all

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
