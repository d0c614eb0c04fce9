"""What an operator plots."""

import httpx

from tests.support.export_client import ARTICLES_REQUEST, Session


def series(api: httpx.Client) -> dict[str, float]:
    answer = api.get("/metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_requests_are_counted_by_route_and_never_by_id(api: httpx.Client, article: Session) -> None:
    name = 'report_exports_requests_total{method="GET",route="/exports/{job_id}",status="200"}'
    before = series(api).get(name, 0)
    api.get(f"/exports/{article.id}").raise_for_status()
    api.get("/no/such/page")
    found = series(api)
    assert found[name] == before + 1
    assert not [each for each in found if article.id in each or "/no/such/page" in each]


def test_starts_are_counted_by_report(api: httpx.Client, article: Session) -> None:
    name = 'report_exports_starts_total{replayed="false",report="survey-responses"}'
    assert series(api)[name] >= 1


def test_jobs_that_wait_and_run_are_counted_as_prefect_has_them(api: httpx.Client, article: Session) -> None:
    found = series(api)
    assert {found[f'report_exports_jobs{{status="{status}"}}'] >= 0 for status in ("queued", "running")} == {
        True
    }


def test_a_refused_start_is_no_start(api: httpx.Client, article: Session) -> None:
    before = {name: value for name, value in series(api).items() if "starts_total" in name}
    api.post("/exports", json=ARTICLES_REQUEST | {"surveyId": "7"})
    assert {name: value for name, value in series(api).items() if "starts_total" in name} == before
