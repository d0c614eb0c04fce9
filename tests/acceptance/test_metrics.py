"""Test the Prometheus metrics at `/metrics`."""

import time

import httpx

from tests.support.export_client import ARTICLES_REQUEST, Session
from tests.support.extra_processes import extra_processes, free_port
from tests.support.running_stack import Stack


def series(answer: httpx.Response) -> dict[str, float]:
    answer.raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_requests_are_counted_by_route_not_by_id(api: httpx.Client, article: Session) -> None:
    name = 'report_exports_requests_total{method="GET",route="/exports/{id}",status="200"}'
    before = series(api.get("/metrics")).get(name, 0)
    api.get(f"/exports/{article.id}").raise_for_status()
    api.get("/no/such/page")
    metrics = series(api.get("/metrics"))
    assert metrics[name] == before + 1
    assert not [metric for metric in metrics if article.id in metric or "/no/such/page" in metric]


def test_starts_are_counted_by_report(api: httpx.Client, article: Session) -> None:
    name = 'report_exports_starts_total{replayed="false",report="survey-responses"}'
    assert series(api.get("/metrics"))[name] >= 1


def test_queued_and_running_jobs_are_reported(api: httpx.Client, article: Session) -> None:
    metrics = series(api.get("/metrics"))
    assert {
        metrics[f'report_exports_jobs{{status="{status}"}}'] >= 0 for status in ("queued", "running")
    } == {True}


def test_a_refused_start_is_not_counted(api: httpx.Client, article: Session) -> None:
    before = starts(api)
    api.post("/exports", json=ARTICLES_REQUEST | {"surveyId": "7"})
    assert starts(api) == before


def starts(api: httpx.Client) -> dict[str, float]:
    metrics = series(api.get("/metrics"))
    return {name: value for name, value in metrics.items() if "starts_total" in name}


def test_processes_share_a_port_and_their_metrics(stack: Stack) -> None:
    port, requests = free_port(), 40
    name = 'report_exports_requests_total{method="GET",route="/healthz",status="200"}'
    with extra_processes(stack) as processes:
        process = processes.start("-m", "deployments.cli", "api", "--processes", "2", "--port", str(port))
        deadline = time.monotonic() + 90
        while processes.output(process).count("Application startup complete") < 2:
            assert time.monotonic() < deadline, processes.output(process)
            time.sleep(0.1)
        for _ in range(requests):  # each request uses a new connection, and either process may accept it
            get(port, "/healthz")
        assert {series(get(port, "/metrics"))[name] for _ in range(10)} == {requests}


def get(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=30)
