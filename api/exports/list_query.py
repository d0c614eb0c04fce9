"""The query of `GET /exports`, and the cursor that leads to its next page. Pure."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args
from uuid import UUID

from api.access.caller import Caller
from api.exports.job import Status
from api.tables.table_query import among, whole_number
from api.web.ids import JOB_ID
from flows.errors import InvalidRequest
from flows.query.date_range import EARLIEST, LATEST
from flows.query.report import Report

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
_NAMES = ("status", "report", "scheduleId", "limit", "cursor")


@dataclass(frozen=True)
class Wanted:
    """Which of a caller's jobs; None is any."""

    caller: Caller
    status: Status | None = None
    report: str | None = None
    schedule_id: str | None = None
    deployment_id: UUID | None = None


@dataclass(frozen=True)
class Place:
    """How far a list has been read, newest first: up to `before`, and of that very moment those `seen`."""

    before: datetime
    seen: tuple[UUID, ...] = ()

    def after(self, at: datetime, run_id: UUID) -> "Place":
        return Place(at, (*self.seen, run_id) if at == self.before else (run_id,))


@dataclass(frozen=True)
class ListQuery:
    wanted: Wanted
    limit: int
    place: Place


def parse(
    items: Sequence[tuple[str, str]], reports: Mapping[str, Report], caller: Caller, now: datetime
) -> ListQuery:
    """Runs that are planned for later than `now` are no jobs yet."""
    given = among(items, _NAMES)
    _check_choice(given, "status", get_args(Status))
    _check_choice(given, "report", tuple(reports))
    return ListQuery(
        Wanted(caller, given.get("status"), given.get("report"), _schedule_id(given)),  # type: ignore[arg-type]
        limit=whole_number(given, "limit", DEFAULT_LIMIT, MAX_LIMIT),
        place=decode(given["cursor"]) if "cursor" in given else Place(now),
    )


def encode(place: Place) -> str:
    content = json.dumps([place.before.isoformat(), *map(str, place.seen)], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode(text: str) -> Place:
    """InvalidRequest for a cursor that is damaged."""
    try:
        content = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        before, *seen = content
        place = Place(datetime.fromisoformat(before), tuple(UUID(each) for each in seen))
        if place.before.tzinfo is None or not EARLIEST <= place.before.date() <= LATEST:
            raise ValueError
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise InvalidRequest.at("/cursor", "invalid", "The cursor is damaged.") from None
    return place


def _check_choice(given: Mapping[str, str], name: str, choices: Sequence[str]) -> None:
    if name in given and given[name] not in choices:
        detail = f"It must be one of {', '.join(choices)}."
        raise InvalidRequest.at(f"/{name}", "invalid", detail)


def _schedule_id(given: Mapping[str, str]) -> str | None:
    if "scheduleId" not in given:
        return None
    if not JOB_ID.fullmatch(given["scheduleId"]):
        raise InvalidRequest.at("/scheduleId", "format", "It is no schedule's id.")
    return given["scheduleId"].lower()
