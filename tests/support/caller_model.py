"""Model of callers with several API keys and of the resources that each key may access."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

UNKNOWN = "00000000-0000-4000-8000-000000000000"
MAX_ATTEMPTS = 20
# These headers may differ between otherwise identical responses.
_VOLATILE_HEADERS = ("date", "retry-after", "x-request-id")


@dataclass
class Resource:
    """A job or schedule. `body` is the body of the request that created it, updated with later changes."""

    id: str
    body: Mapping[str, Any]
    masked: bool
    schedule_id: str | None = None
    surveys: frozenset[str] | None = None  # surveys allowed by the creator's key; None means all

    @property
    def request(self) -> Mapping[str, Any]:
        return dict(self.body.get("export", self.body))


@dataclass
class Caller:
    """A caller of the API.

    `jobs` and `schedules` contain the existing resources created with the caller's keys. Both map ids to
    resources.
    """

    name: str
    jobs: dict[str, Resource] = field(default_factory=dict)
    schedules: dict[str, Resource] = field(default_factory=dict)


@dataclass
class Key:
    """A caller's API key with its rights.

    `created` maps each Idempotency-Key to the resource that was created with it.
    """

    caller: Caller
    http: httpx.Client
    reports: frozenset[str]
    sees_pii: bool
    surveys: frozenset[str] | None = None
    created: dict[tuple[str, str], Resource] = field(default_factory=dict)

    def may(self, request: Mapping[str, Any]) -> bool:
        return report_of(request) in self.reports and is_allowed(request, self.surveys)

    def covers(self, resource: Resource) -> bool:
        return self.may(resource.request) and (resource.masked or self.sees_pii)

    @property
    def jobs(self) -> dict[str, Resource]:
        return {id_: job for id_, job in self.caller.jobs.items() if self.covers(job)}

    @property
    def schedules(self) -> dict[str, Resource]:
        return {id_: schedule for id_, schedule in self.caller.schedules.items() if self.covers(schedule)}


def report_of(body: Mapping[str, Any]) -> str:
    return str(body.get("report", "survey-responses"))


def is_allowed(request: Mapping[str, Any], surveys: frozenset[str] | None) -> bool:
    return surveys is None or "surveyId" not in request or request["surveyId"] in surveys


@dataclass
class World:
    """The keys of all callers. `hook` is a webhook receiver's URL. `refused` counts rejected requests."""

    keys: list[Key]
    hook: str
    owners: dict[str, Caller] = field(default_factory=dict)
    refused: int = 0

    def request(self, key: Key, method: str, path: str, **content: Any) -> httpx.Response:
        """Send a request and return the response.

        Fails if the status is 5xx, or if the response contains another caller's name or an id that the
        key does not cover.
        """
        hidden = self._hidden_ids(key)
        response = send(key.http, method, path, **content)
        text = response.text + "".join(response.headers.values())
        assert response.status_code < 500, (method, path, text)
        for other in self.keys:
            assert other.caller is key.caller or other.caller.name not in text, (method, path, text)
        leaked = [id_ for id_ in hidden if id_ in text]
        assert leaked == [], (method, path, text)
        return response

    def _hidden_ids(self, key: Key) -> list[str]:
        """Return the ids that no response to this key may contain."""
        covered = {**key.jobs, **key.schedules}
        # An export shows its schedule's id, even if the key does not cover the schedule's current report.
        named = {job.schedule_id for job in key.jobs.values()}
        own = {**key.caller.jobs, **key.caller.schedules}
        foreign = [id_ for id_, owner in self.owners.items() if owner is not key.caller]
        return foreign + [id_ for id_ in own if id_ not in covered and id_ not in named]

    def assert_unknown(self, key: Key, method: str, path: str, id_: str, **content: Any) -> None:
        """Assert that the response is the same 404 as for an id that does not exist."""
        response = self.request(key, method, path.format(id_), **content)
        expected = self.request(key, method, path.format(UNKNOWN), **content)
        assert comparable(response) == comparable(expected), (method, path)
        assert response.status_code == httpx.codes.NOT_FOUND
        self.refused += 1

    def assert_new(self, key: Key, id_: str) -> None:
        assert self.owners.get(id_, key.caller) is key.caller, "the id belongs to another caller"
        self.owners[id_] = key.caller

    def list_ids(self, key: Key, path: str, **params: str) -> list[str]:
        """Fetch all pages of a list and return the ids."""
        ids: list[str] = []
        while True:
            page = self.request(key, "GET", path, params=params).raise_for_status().json()
            ids += [item["id"] for item in page["items"]]
            if page["nextCursor"] is None:
                return ids
            params["cursor"] = page["nextCursor"]


def send(http: httpx.Client, method: str, path: str, **content: Any) -> httpx.Response:
    """Send a request. Retry it while a limit is exceeded or Prefect is busy."""
    for _ in range(MAX_ATTEMPTS):
        response = http.request(method, path, **content)
        if response.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            break
        time.sleep(float(response.headers["retry-after"]))
    return response


def comparable(response: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in response.headers.items() if name not in _VOLATILE_HEADERS}
    return response.status_code, response.content, headers


def without_name(response: httpx.Response, name: str) -> tuple[int, str]:
    """Return the status, and the body with the report's name masked.

    The name comes from the request, so it must not count as a difference between two responses.
    """
    return response.status_code, re.sub(rf"\b{re.escape(name)}\b", "(name)", response.text)
