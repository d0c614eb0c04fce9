"""Three callers of one service, and a model of what each of them must see."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

UNKNOWN = "00000000-0000-4000-8000-000000000000"
# They tell when an answer was made, not what it says.
_ASIDE = ("date", "retry-after", "x-request-id")


@dataclass
class Made:
    """A job or a recurring export; `body` is what it was made of."""

    id: str
    body: Mapping[str, Any]
    schedule_id: str | None = None


@dataclass
class Caller:
    """`jobs` and `schedules` are those that the caller has made and not removed, by id."""

    name: str
    http: httpx.Client
    reports: frozenset[str]
    jobs: dict[str, Made] = field(default_factory=dict)
    schedules: dict[str, Made] = field(default_factory=dict)
    keys: dict[tuple[str, str], Made] = field(default_factory=dict)

    def may(self, body: Mapping[str, Any]) -> bool:
        return body.get("report", "survey-responses") in self.reports


@dataclass
class World:
    callers: list[Caller]
    ids: dict[str, Caller] = field(default_factory=dict)

    def ask(self, caller: Caller, method: str, path: str, **content: Any) -> httpx.Response:
        """An answer that is no failure of the service, and in which nobody else can be seen."""
        answer = caller.http.request(method, path, **content)
        shown = answer.text + "".join(answer.headers.values())
        assert answer.status_code < 500, (method, path, shown)
        for other in self.callers:
            assert other is caller or other.name not in shown, (method, path, shown)
        leaked = [known for known, owner in self.ids.items() if owner is not caller and known in shown]
        assert leaked == [], (method, path, shown)
        return answer

    def unknown(self, caller: Caller, method: str, path: str, of_id: str, **content: Any) -> None:
        """Byte for byte what an id answers that nobody has."""
        anothers = self.ask(caller, method, path.format(of_id), **content)
        nobodys = self.ask(caller, method, path.format(UNKNOWN), **content)
        assert facts(anothers) == facts(nobodys), (method, path)
        assert anothers.status_code == httpx.codes.NOT_FOUND

    def is_new(self, caller: Caller, found: str) -> None:
        assert self.ids.get(found, caller) is caller, "another's id was given out"
        self.ids[found] = caller

    def all_of(self, caller: Caller, path: str, **params: str) -> list[str]:
        """The ids of a list, page by page."""
        found: list[str] = []
        while True:
            page = self.ask(caller, "GET", path, params=params).raise_for_status().json()
            found += [each["id"] for each in page["items"]]
            if page["nextCursor"] is None:
                return found
            params["cursor"] = page["nextCursor"]


def facts(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in _ASIDE}
    return answer.status_code, answer.content, headers


def named_otherwise(answer: httpx.Response, name: str) -> tuple[int, str]:
    """The answer without the report's name, which the question itself has told."""
    return answer.status_code, re.sub(rf"\b{re.escape(name)}\b", "(name)", answer.text)
