"""Links and credentials are in no log and nowhere in Prefect's database; a line names what it is about."""

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
from psycopg import sql

from api.access.api_keys import KeyFile
from tests.support.export_client import ARTICLES_REQUEST, EMPTY_SURVEY, Session, follow, start
from tests.support.extra_processes import (
    create_pool,
    deploy_export,
    extra_processes,
    free_port,
    pool_settings,
)
from tests.support.running_stack import Stack
from tests.support.webhook_receiver import Receiver

POOL, NOBODYS_POOL = "canaries", "canaries-of-nobody"
CANARY = "canary-81f3"
ISSUER, AUDIENCE = "https://login.example.com/", "reports"
HUSH = "/hush-in-the-path?token=hush-in-the-query"
DAILY = {
    "name": "for the canary too",
    "recurrence": {"every": "P1D"},
    "range": {"kind": "relative", "preset": "yesterday"},
    "export": {"surveyId": EMPTY_SURVEY},
}


@pytest.fixture(scope="module", autouse=True)
def downloaded(api: httpx.Client) -> Session:
    """An export with all that a caller does to it."""
    session = start(api, ARTICLES_REQUEST | {"name": "for the canary"})
    follow(api, session)
    api.get(f"/exports/{session.id}").raise_for_status()
    assert api.get(f"/exports/{session.id}/download").status_code == httpx.codes.SEE_OTHER
    return session


@pytest.fixture(scope="module", autouse=True)
def told(api: httpx.Client, receiver: Receiver) -> Iterator[None]:
    """A webhook, at first in vain, whose address holds a secret in its path and in its query."""
    made = api.post(
        "/schedules", json=DAILY | {"notify": [{"kind": "webhook", "url": receiver.url(HUSH, 500, 204)}]}
    )
    here = made.raise_for_status().headers["location"]
    api.post(f"{here}/run").raise_for_status()
    receiver.wait_for(HUSH.partition("?")[0], 2)
    yield
    api.delete(here).raise_for_status()


@pytest.fixture
def prefects_database(stack: Stack) -> Iterator[psycopg.Connection]:
    url = stack.libpq_url.rpartition("/")[0] + "/prefect"
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def secret_words(stack: Stack, api: httpx.Client) -> list[str]:
    password = psycopg.conninfo.conninfo_to_dict(stack.libpq_url)["password"]
    operators = (stack.data_dir / "webhook-secret").read_text()
    callers = str(api.get("/webhook-secret").json()["secret"]).removeprefix("whsec_")
    webhooks = ["hush-in-the-path", "hush-in-the-query", operators, callers]
    return ["X-Amz-Signature", str(password), stack.aws_secret_access_key, *webhooks]


def tables_with(connection: psycopg.Connection, word: str) -> list[str]:
    """Every table in which some row, as text, holds the word."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} AS t WHERE strpos(t::text, %s) > 0)")
    return [
        name
        for (name,) in tables
        if connection.execute(query.format(sql.Identifier(name)), [word]).fetchone() == (True,)
    ]


def test_prefects_database_holds_none(prefects_database: psycopg.Connection, secret_words: list[str]) -> None:
    assert [(word, table) for word in secret_words for table in tables_with(prefects_database, word)] == []


def test_the_search_does_find_what_is_there(
    prefects_database: psycopg.Connection, downloaded: Session
) -> None:
    """Else the test above would prove nothing."""
    assert {"flow_run", "artifact"} <= set(tables_with(prefects_database, downloaded.id))


def test_no_log_holds_one(stack: Stack, secret_words: list[str]) -> None:
    logs = {path: path.read_text(errors="replace") for path in (stack.data_dir / "logs").iterdir()}
    assert {path.stem for path in logs} >= {"api", "worker", "prefect", "postgres", "storage"}
    assert [(path.name, word) for path, text in logs.items() for word in secret_words if word in text] == []


def test_a_download_leaves_a_line_of_who_took_what(stack: Stack, downloaded: Session) -> None:
    assert f"download job={downloaded.id} caller=local" in (stack.data_dir / "logs" / "api.log").read_text()


@dataclass(frozen=True)
class Planted:
    """What an API, a worker and a run said, each with wrong or secret words of its own."""

    words: list[str]
    said: dict[str, str]
    job_id: str
    request_id: str
    metrics: str

    def lines(self, of: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output[of].splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def planted(stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("canaries")
    own = ec.generate_private_key(ec.SECP256R1())
    public = own.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "key.pem").write_bytes(public)
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": time.time() + 600}
    tokens = [
        KeyFile(folder / "keys.json").create("ada", None, datetime.now(UTC)),
        jwt.encode(claims, own, "ES256"),
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
    wrong_password = str(psycopg.conninfo.conninfo_to_dict(stack.libpq_url)["password"])
    wrong_database = stack.database_url.replace(wrong_password, CANARY)
    create_pool(prefect, POOL, "warm")
    deploy_export(prefect, POOL, POOL)
    create_pool(prefect, NOBODYS_POOL, "process")
    create = f"/deployments/{deploy_export(prefect, NOBODYS_POOL, NOBODYS_POOL)}/create_flow_run"
    port = str(free_port())
    with extra_processes(stack) as others:
        measured = {"PREFECT_CLIENT_METRICS_ENABLED": "true", "PREFECT_CLIENT_METRICS_PORT": port}
        worker = others.start_warm_worker(
            POOL, "--limit", "1", AWS_SECRET_ACCESS_KEY=CANARY, **json_lines, **measured
        )
        url = others.start_api(**json_lines, **guarded, **pool_settings(POOL, POOL))
        others.wait_for_output(worker, "started!")
        answers = [_asked(url, token) for token in tokens]
        assert [answer.status_code for answer in answers] == [202, 200, 401, 401]
        job_id = answers[0].json()["id"]
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {tokens[0]}"}) as ada:
            ended = Session(job_id)
            follow(ada, ended)
            assert ended.data["error"] == "The file storage refused the file."
            ada.get("/exports?X-Amz-Signature=x")
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        run = prefect.post(create, json={"parameters": {"request": ARTICLES_REQUEST}}).raise_for_status()
        process = others.start(
            "-m", "prefect.engine", run.json()["id"], REPORTS_DATABASE_URL=wrong_database, **json_lines
        )
        process.wait(90)
        said = {
            name: others.output(each)
            for name, each in {"api": others.api_process, "worker": worker, "run": process}.items()
        }
    words = ["X-Amz-Signature", CANARY, wrong_password, stack.aws_secret_access_key, *tokens]
    return Planted(words, said, job_id, answers[0].headers["x-request-id"], metrics)


def _asked(url: str, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/exports", json=ARTICLES_REQUEST, headers=headers, trust_env=False, timeout=30)


@pytest.mark.parametrize("of", ["api", "worker", "run"])
def test_errors_bring_no_secret_into_a_log(planted: Planted, of: str) -> None:
    assert planted.output[of]
    assert [word for word in planted.words if word in planted.output[of]] == []


def test_errors_bring_no_secret_into_prefects_database(
    planted: Planted, prefects_database: psycopg.Connection
) -> None:
    found = [(word, table) for word in planted.words for table in tables_with(prefects_database, word)]
    assert found == []


def test_a_request_has_one_line_with_its_id_its_caller_and_its_job(planted: Planted) -> None:
    (line,) = [
        each
        for each in planted.lines("api")
        if each.get("request") == planted.request_id and each["logger"] == "report_exports.access"
    ]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/exports", 202)
    assert (line["caller"], line["job"], line["level"]) == ("ada", planted.job_id, "INFO")


def test_a_line_about_a_job_names_it(planted: Planted) -> None:
    failures = [line for line in planted.lines("worker") if "error" in line]
    assert {(line.get("job"), line.get("caller")) for line in failures} == {(planted.job_id, "ada")}
    assert any(
        line["logger"] == "flows.sources.snapshot" and line.get("job") for line in planted.lines("run")
    )
    assert [
        line for line in planted.output["worker"].splitlines() if planted.job_id in line and line[0] != "{"
    ] == []


def test_a_worker_counts_what_its_runs_came_to(planted: Planted) -> None:
    name = 'report_exports_worker_attempts_total{code="storage.denied",report="survey-responses"}'
    assert f"{name} 1.0" in planted.metrics
