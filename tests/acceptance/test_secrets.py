"""Links and credentials are in no log and nowhere in Prefect's database."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.exports import ARTICLES_REQUEST, EMPTY_SURVEY, Session, follow, start
from tests.receiver import Receiver
from tests.running_stack import Stack

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
    receiver.until(HUSH.partition("?")[0], 2)
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
