"""An export as a caller goes through it: start, poll, download."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

DONE_WITHIN_SECONDS = 90
SURVEY, EMPTY_SURVEY, ONE_ROW_SURVEY = (
    "668b6fa3b8d693cd865b44bb",
    "678460aa4e2f1b00c7d3095e",
    "66f0b9e27a5d3c0019f4b6d8",
)
ARTICLES_REQUEST = {
    "surveyId": SURVEY,
    "from": "2024-7-19",
    "to": "2024-7-26",
    "filters": {"isAttended": True, "utm": "wa"},
}


@dataclass
class Session:
    """One job's answers: to the start, and to each poll."""

    id: str
    started: httpx.Response | None = None
    polls: list[httpx.Response] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        """What the last poll said."""
        return dict(self.polls[-1].json()["data"])

    @property
    def ended(self) -> bool:
        return bool(self.polls) and self.data["status"] != "in-progress"

    def file(self) -> bytes:
        assert self.data["status"] == "done", self.data
        return httpx.get(self.data["url"], trust_env=False).raise_for_status().content


def start(api: httpx.Client, request: Any, **headers: str) -> Session:
    started = api.post("/reports/csv", json=request, headers=headers).raise_for_status()
    return Session(started.json()["data"], started)


def poll(api: httpx.Client, session: Session) -> None:
    session.polls.append(api.get("/reports/csv", params={"jobId": session.id}).raise_for_status())


def follow(api: httpx.Client, *sessions: Session) -> None:
    """Polls them all until the last has ended."""
    until = time.monotonic() + DONE_WITHIN_SECONDS
    while going_on := [each for each in sessions if not each.ended]:
        assert time.monotonic() < until, [(each.id, each.polls[-1:]) for each in going_on]
        for each in going_on:
            poll(api, each)
        time.sleep(0.1)


def run_all(api: httpx.Client, requests: Mapping[str, Any]) -> dict[str, Session]:
    """All at the same time."""
    sessions: dict[str, Session] = {}
    for name, request in requests.items():
        sessions[name] = start(api, request)
        poll(api, sessions[name])
    follow(api, *sessions.values())
    return sessions
