"""Polls against the real Prefect server: long polls, and what reaches Prefect of many polls."""

import time

import httpx

from tests.support.export_client import ARTICLES_REQUEST, follow, start

LONG_POLL = {"Prefer": "wait=30"}


def test_a_long_poll_is_answered_as_soon_as_the_job_changes(api: httpx.Client) -> None:
    session = start(api, {**ARTICLES_REQUEST, "filters": {"utm": "ig"}})
    seen, begun = ["queued"], time.monotonic()
    while seen[-1] not in ("done", "error"):
        seen.append(api.get(f"/exports/{session.id}", headers=LONG_POLL).json()["status"])
        assert len(seen) < 20, "it is answered when there is news, not before"
    assert seen[-1] == "done"
    assert time.monotonic() - begun < 25


def test_a_long_poll_of_a_job_that_has_ended_is_answered_at_once(api: httpx.Client) -> None:
    session = start(api, {**ARTICLES_REQUEST, "filters": {"utm": "ig"}})
    follow(api, session)
    begun = time.monotonic()
    assert api.get(f"/exports/{session.id}", headers=LONG_POLL).json()["status"] == "done"
    assert time.monotonic() - begun < 5
