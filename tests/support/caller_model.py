"""Model of several callers that use one service, and of what each of them is allowed to see."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

UNKNOWN = "00000000-0000-4000-8000-000000000000"
# These headers depend on the time of the response, not on its content.
_VOLATILE_HEADERS = ("date", "retry-after", "x-request-id")


@dataclass
class Resource:
    """A job or schedule with the request body that created it."""

    id: str
    body: Mapping[str, Any]
    schedule_id: str | None = None


@dataclass
class Caller:
    """A caller. `jobs` and `schedules` contain by id what the caller has created and not deleted."""

    name: str
    http: httpx.Client
    reports: frozenset[str]
    jobs: dict[str, Resource] = field(default_factory=dict)
    schedules: dict[str, Resource] = field(default_factory=dict)
    keys: dict[tuple[str, str], Resource] = field(default_factory=dict)

    def may(self, body: Mapping[str, Any]) -> bool:
        return body.get("report", "survey-responses") in self.reports


@dataclass
class World:
    callers: list[Caller]
    owners: dict[str, Caller] = field(default_factory=dict)

    def request(self, caller: Caller, method: str, path: str, **content: Any) -> httpx.Response:
        """Send a request and return the response.

        Fails on a 5xx, and if the response contains the name or an id of another caller.
        """
        response = caller.http.request(method, path, **content)
        text = response.text + "".join(response.headers.values())
        assert response.status_code < 500, (method, path, text)
        for other in self.callers:
            assert other is caller or other.name not in text, (method, path, text)
        leaked = [id_ for id_, owner in self.owners.items() if owner is not caller and id_ in text]
        assert leaked == [], (method, path, text)
        return response

    def assert_unknown(self, caller: Caller, method: str, path: str, id_: str, **content: Any) -> None:
        """Assert that the response is the same 404 as for an id that does not exist."""
        response = self.request(caller, method, path.format(id_), **content)
        expected = self.request(caller, method, path.format(UNKNOWN), **content)
        assert comparable(response) == comparable(expected), (method, path)
        assert response.status_code == httpx.codes.NOT_FOUND

    def assert_new(self, caller: Caller, id_: str) -> None:
        assert self.owners.get(id_, caller) is caller, "the id belongs to another caller"
        self.owners[id_] = caller

    def list_ids(self, caller: Caller, path: str, **params: str) -> list[str]:
        """Fetch all pages of a list and return the ids."""
        ids: list[str] = []
        while True:
            page = self.request(caller, "GET", path, params=params).raise_for_status().json()
            ids += [item["id"] for item in page["items"]]
            if page["nextCursor"] is None:
                return ids
            params["cursor"] = page["nextCursor"]


def comparable(response: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in response.headers.items() if name not in _VOLATILE_HEADERS}
    return response.status_code, response.content, headers


def without_name(response: httpx.Response, name: str) -> tuple[int, str]:
    """Return status and body with the report's name masked, because it was part of the request."""
    return response.status_code, re.sub(rf"\b{re.escape(name)}\b", "(name)", response.text)
