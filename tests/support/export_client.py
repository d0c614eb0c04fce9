"""Start, poll and download exports through `/reports/csv`."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

TIMEOUT_SECONDS = 90
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
    """A job with the responses to the start request and to each poll."""

    id: str
    start_response: httpx.Response | None = None
    polls: list[httpx.Response] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        """The `data` member of the last poll's response."""
        return dict(self.polls[-1].json()["data"])

    @property
    def is_finished(self) -> bool:
        return bool(self.polls) and self.data["status"] != "in-progress"

    def file(self) -> bytes:
        assert self.data["status"] == "done", self.data
        return httpx.get(self.data["url"], trust_env=False).raise_for_status().content


def start(api: httpx.Client, request: Any, **headers: str) -> Session:
    response = api.post("/reports/csv", json=request, headers=headers).raise_for_status()
    return Session(response.json()["data"], response)


def poll(api: httpx.Client, session: Session) -> None:
    session.polls.append(api.get("/reports/csv", params={"jobId": session.id}).raise_for_status())


def follow(api: httpx.Client, *sessions: Session) -> None:
    """Poll the exports until all of them have finished."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while unfinished := [session for session in sessions if not session.is_finished]:
        assert time.monotonic() < deadline, [(session.id, session.polls[-1:]) for session in unfinished]
        for session in unfinished:
            poll(api, session)
        time.sleep(0.1)


def export_all(api: httpx.Client, requests: Mapping[str, Any]) -> dict[str, Session]:
    """Run the exports concurrently and return a session for each name."""
    sessions: dict[str, Session] = {}
    for name, request in requests.items():
        sessions[name] = start(api, request)
        poll(api, sessions[name])
    follow(api, *sessions.values())
    return sessions
