"""Test long polls against a real Prefect server."""

import time

import httpx

from tests.support.export_client import ARTICLES_REQUEST, follow, start

LONG_POLL = {"Prefer": "wait=30"}


def test_a_long_poll_returns_as_soon_as_the_job_changes(api: httpx.Client) -> None:
    session = start(api, {**ARTICLES_REQUEST, "filters": {"utm": "ig"}})
    statuses, started = ["queued"], time.monotonic()
    while statuses[-1] not in ("done", "error"):
        statuses.append(api.get(f"/exports/{session.id}", headers=LONG_POLL).json()["status"])
        assert len(statuses) < 20, "it must return on a change, not before"
    assert statuses[-1] == "done"
    assert time.monotonic() - started < 25


def test_a_long_poll_of_a_finished_job_returns_at_once(api: httpx.Client) -> None:
    session = start(api, {**ARTICLES_REQUEST, "filters": {"utm": "ig"}})
    follow(api, session)
    started = time.monotonic()
    assert api.get(f"/exports/{session.id}", headers=LONG_POLL).json()["status"] == "done"
    assert time.monotonic() - started < 5
