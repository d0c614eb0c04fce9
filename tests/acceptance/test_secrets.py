"""Test that links and credentials appear neither in the logs nor in Prefect's database."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.engine import make_url

from api.access.api_keys import KeyFile
from tests.support.export_client import ARTICLES_REQUEST, EMPTY_SURVEY, Session, follow, start
from tests.support.extra_processes import (
    create_pool,
    deploy_export,
    extra_processes,
    free_port,
    pool_settings,
)
from tests.support.prefect_tables import prefects_tables, tables_with
from tests.support.running_stack import Stack
from tests.support.webhook_receiver import Receiver

POOL, UNWORKED_POOL = "canaries", "canaries-without-worker"
CANARY = "canary-81f3"
ISSUER, AUDIENCE = "https://login.example.com/", "reports"
HOOK_PATH = "/hush-in-the-path?token=hush-in-the-query"
DAILY = {
    "name": "canary schedule",
    "recurrence": {"every": "P1D"},
    "range": {"kind": "relative", "preset": "yesterday"},
    "export": {"surveyId": EMPTY_SURVEY},
}


@pytest.fixture(scope="module", autouse=True)
def downloaded(api: httpx.Client) -> Session:
    """Run an export to completion, then request its state and its download link."""
    session = start(api, ARTICLES_REQUEST | {"name": "canary export"})
    follow(api, session)
    api.get(f"/exports/{session.id}").raise_for_status()
    assert api.get(f"/exports/{session.id}/download").status_code == httpx.codes.SEE_OTHER
    return session


@pytest.fixture(scope="module", autouse=True)
def webhook_sent(api: httpx.Client, receiver: Receiver) -> Iterator[None]:
    """Send a webhook that fails once. Its URL contains secrets in the path and the query."""
    response = api.post(
        "/schedules",
        json=DAILY | {"notify": [{"kind": "webhook", "url": receiver.url(HOOK_PATH, 500, 204)}]},
    )
    schedule_url = response.raise_for_status().headers["location"]
    api.post(f"{schedule_url}/run").raise_for_status()
    receiver.wait_for(HOOK_PATH.partition("?")[0], 2)
    yield
    api.delete(schedule_url).raise_for_status()


@pytest.fixture
def prefects_database(stack: Stack) -> Iterator[psycopg.Connection]:
    with prefects_tables(stack) as connection:
        yield connection


@pytest.fixture
def secret_words(stack: Stack, api: httpx.Client) -> list[str]:
    passwords = [make_url(url).password for url in (stack.database_url, stack.admin_database_url)]
    operator_secret = (stack.data_dir / "webhook-secret").read_text()
    caller_secret = str(api.get("/webhook-secret").json()["secret"]).removeprefix("whsec_")
    webhooks = ["hush-in-the-path", "hush-in-the-query", operator_secret, caller_secret]
    return ["X-Amz-Signature", *map(str, passwords), stack.aws_secret_access_key, *webhooks]


def test_prefects_database_contains_no_secret(
    prefects_database: psycopg.Connection, secret_words: list[str]
) -> None:
    assert [(word, table) for word in secret_words for table in tables_with(prefects_database, word)] == []


def test_the_search_finds_known_words(prefects_database: psycopg.Connection, downloaded: Session) -> None:
    """Check that the search in the previous test finds a value that the database does contain."""
    assert {"flow_run", "artifact"} <= set(tables_with(prefects_database, downloaded.id))


def test_no_log_contains_a_secret(stack: Stack, secret_words: list[str]) -> None:
    logs = {path: path.read_text(errors="replace") for path in (stack.data_dir / "logs").iterdir()}
    assert {path.stem for path in logs} >= {"api", "worker", "prefect", "postgres", "storage"}
    assert [(path.name, word) for path, text in logs.items() for word in secret_words if word in text] == []


def test_a_download_is_logged_with_job_and_caller(stack: Stack, downloaded: Session) -> None:
    log = (stack.data_dir / "logs" / "api.log").read_text().splitlines()
    lines = [line for line in log if "export.download" in line and f'"job": "{downloaded.id}"' in line]
    assert lines
    assert all('"caller": "local"' in line for line in lines)


@dataclass(frozen=True)
class Planted:
    """Secret words, and the logs and metrics that must not contain them.

    An API, a worker and a run have been given these words.
    """

    words: list[str]
    logs: dict[str, str]
    job_id: str
    request_id: str
    metrics: str

    def lines(self, process: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.logs[process].splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def planted(stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("canaries")
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "key.pem").write_bytes(public)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "exp": time.time() + 600,
        "surveyId": ARTICLES_REQUEST["surveyId"],
    }
    tokens = [
        KeyFile(folder / "keys.json").create("ada", None, datetime.now(UTC)),
        jwt.encode(claims, key, "ES256"),
        jwt.encode(claims | {"sub": CANARY}, ec.generate_private_key(ec.SECP256R1()), "ES256"),
        f"rex_00000000_{CANARY}",
    ]
    guarded = {
        "REPORTS_KEYS_FILE": str(folder / "keys.json"),
        "REPORTS_JWT_KEY_FILE": str(folder / "key.pem"),
        "REPORTS_JWT_ALGORITHM": "ES256",
        "REPORTS_JWT_ISSUER": ISSUER,
        "REPORTS_JWT_AUDIENCE": AUDIENCE,
    }
    json_lines = {"REPORTS_LOG_FORMAT": "json", "REPORTS_ATTEMPTS": "1"}
    wrong_password = str(make_url(stack.database_url).password)
    wrong_database = stack.database_url.replace(wrong_password, CANARY)
    create_pool(prefect, POOL, "warm")
    deploy_export(prefect, POOL, POOL)
    create_pool(prefect, UNWORKED_POOL, "process")
    create = f"/deployments/{deploy_export(prefect, UNWORKED_POOL, UNWORKED_POOL)}/create_flow_run"
    port = str(free_port())
    with extra_processes(stack) as processes:
        metrics_settings = {"PREFECT_CLIENT_METRICS_ENABLED": "true", "PREFECT_CLIENT_METRICS_PORT": port}
        worker = processes.start_warm_worker(
            POOL, "--limit", "1", AWS_SECRET_ACCESS_KEY=CANARY, **json_lines, **metrics_settings
        )
        url = processes.start_api(**json_lines, **guarded, **pool_settings(POOL, POOL))
        processes.wait_for_output(worker, "started!")
        answers = [_start(url, token) for token in tokens]
        assert [answer.status_code for answer in answers] == [202, 200, 401, 401]
        job_id = answers[0].json()["id"]
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {tokens[0]}"}) as ada:
            session = Session(job_id)
            follow(ada, session)
            assert session.data["error"] == "The file storage denied access."
            ada.get("/exports?X-Amz-Signature=x")
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        run = prefect.post(create, json={"parameters": {"request": ARTICLES_REQUEST}}).raise_for_status()
        process = processes.start(
            "-m", "prefect.engine", run.json()["id"], REPORTS_DATABASE_URL=wrong_database, **json_lines
        )
        process.wait(90)
        logs = {
            name: processes.output(started)
            for name, started in {"api": processes.api_process, "worker": worker, "run": process}.items()
        }
    words = ["X-Amz-Signature", CANARY, wrong_password, stack.aws_secret_access_key, *tokens]
    return Planted(words, logs, job_id, answers[0].headers["x-request-id"], metrics)


def _start(url: str, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/exports", json=ARTICLES_REQUEST, headers=headers, trust_env=False, timeout=30)


@pytest.mark.parametrize("name", ["api", "worker", "run"])
def test_errors_put_no_secret_into_a_log(planted: Planted, name: str) -> None:
    assert planted.logs[name]
    assert [word for word in planted.words if word in planted.logs[name]] == []


def test_errors_put_no_secret_into_prefects_database(
    planted: Planted, prefects_database: psycopg.Connection
) -> None:
    leaks = [(word, table) for word in planted.words for table in tables_with(prefects_database, word)]
    assert leaks == []


def test_a_request_is_logged_once_with_id_caller_and_job(planted: Planted) -> None:
    (line,) = [
        line
        for line in planted.lines("api")
        if line.get("request") == planted.request_id and line["logger"] == "report_exports.access"
    ]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/exports", 202)
    assert (line["caller"], line["job"], line["level"]) == ("ada", planted.job_id, "INFO")


def test_a_log_line_about_a_job_names_the_job(planted: Planted) -> None:
    failures = [line for line in planted.lines("worker") if "error" in line]
    assert {(line.get("job"), line.get("caller")) for line in failures} == {(planted.job_id, "ada")}
    assert any(
        line["logger"] == "flows.sources.snapshot" and line.get("job") for line in planted.lines("run")
    )
    assert [
        line for line in planted.logs["worker"].splitlines() if planted.job_id in line and line[0] != "{"
    ] == []


def test_a_worker_counts_the_outcomes_of_its_runs(planted: Planted) -> None:
    name = 'report_exports_worker_attempts_total{code="storage.denied",report="survey-responses"}'
    assert f"{name} 1.0" in planted.metrics
