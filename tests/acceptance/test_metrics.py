"""Test the Prometheus metrics at `/metrics`."""

import httpx

from tests.support.export_client import ARTICLES_REQUEST, Session


def series(api: httpx.Client) -> dict[str, float]:
    answer = api.get("/metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_requests_are_counted_by_route_not_by_id(api: httpx.Client, article: Session) -> None:
    name = 'report_exports_requests_total{method="GET",route="/exports/{id}",status="200"}'
    before = series(api).get(name, 0)
    api.get(f"/exports/{article.id}").raise_for_status()
    api.get("/no/such/page")
    metrics = series(api)
    assert metrics[name] == before + 1
    assert not [metric for metric in metrics if article.id in metric or "/no/such/page" in metric]


def test_starts_are_counted_by_report(api: httpx.Client, article: Session) -> None:
    name = 'report_exports_starts_total{replayed="false",report="survey-responses"}'
    assert series(api)[name] >= 1


def test_queued_and_running_jobs_are_reported(api: httpx.Client, article: Session) -> None:
    metrics = series(api)
    assert {
        metrics[f'report_exports_jobs{{status="{status}"}}'] >= 0 for status in ("queued", "running")
    } == {True}


def test_a_refused_start_is_not_counted(api: httpx.Client, article: Session) -> None:
    before = {name: value for name, value in series(api).items() if "starts_total" in name}
    api.post("/exports", json=ARTICLES_REQUEST | {"surveyId": "7"})
    assert {name: value for name, value in series(api).items() if "starts_total" in name} == before
