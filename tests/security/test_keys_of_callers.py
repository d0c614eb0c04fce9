"""Use random actions to test that no key reveals or changes anything that it does not cover.

A key does not cover other callers' exports and schedules. It also does not cover exports and schedules that
need a report, personal data or rows to which the key has no access.

Set LEAK_EXAMPLES=300 to run more examples than CI does. Those examples are different each time.
"""

import os
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    multiple,
    rule,
    run_state_machine_as_test,
)

from api.access.api_keys import KeyFile
from tests.support.caller_model import UNKNOWN, Caller, Key, Resource, World, is_allowed, without_name
from tests.support.export_client import EMPTY_SURVEY, ONE_ROW_SURVEY
from tests.support.security_table import Tally
from tests.support.webhook_receiver import Receiver

EXAMPLES = int(os.environ.get("LEAK_EXAMPLES", "8"))
STEPS = 35
REPORTS = ("survey-responses", "orders")
REQUESTS: list[dict[str, Any]] = [
    {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2"},
    {"surveyId": ONE_ROW_SURVEY, "from": "2024-09-24", "to": "2024-09-24"},
    {"report": "orders", "from": "2024-03-01", "to": "2024-03-01"},
]
# This date is so rare that no schedule runs during the test.
YEARLY: dict[str, Any] = {"recurrence": {"cron": "0 0 29 2 *"}}
EVENTS = ["done", "error", "cancelled"]
SCHEDULES: list[dict[str, Any]] = [
    {
        "name": name,
        **YEARLY,
        "range": {"kind": kind} if kind == "since-last" else {"kind": "relative", "preset": kind},
        "export": export,
    }
    for name, kind, export in (
        ("attendees", "yesterday", {"surveyId": EMPTY_SURVEY}),
        ("orders", "since-last", {"report": "orders"}),
    )
]
# Each entry describes one key: its caller, reports, access to personal data, and surveys. The first four keys
# belong to the same caller.
KEYS: list[tuple[str, tuple[str, ...], bool, frozenset[str] | None]] = [
    ("ada", REPORTS, True, None),
    ("ada", REPORTS[:1], True, None),
    ("ada", REPORTS, False, None),
    ("ada", REPORTS, True, frozenset({EMPTY_SURVEY})),
    ("bob", REPORTS[:1], True, None),
    ("eve", REPORTS, True, None),
]
WHO = st.integers(0, len(KEYS) - 1)
NAMES = st.sampled_from(["one", "two"])  # values for the Idempotency-Key header, used with every API key
PREVIEWS = [("GET", "/reports"), ("POST", "/exports/dry-run"), ("POST", "/schedules/preview")]
CHOICES = "/report-types/survey-responses/choices/surveyId"
JOB_ROUTES = [
    ("GET", "/exports/{}"),
    ("GET", "/exports/{}/download"),
    ("GET", "/exports/{}/manifest"),
    ("GET", "/reports/csv?jobId={}"),
    ("POST", "/exports/{}/cancel"),
    ("POST", "/exports/{}/retry"),
    ("DELETE", "/exports/{}"),
]
SCHEDULE_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/schedules/{}", None),
    ("GET", "/schedules/{}/runs", None),
    ("GET", "/schedules/{}/deliveries", None),
    ("POST", "/schedules/{}/run", None),
    ("PATCH", "/schedules/{}", {"enabled": False}),
    ("PATCH", "/schedules/{}", {"name": "renamed"}),
    ("PATCH", "/schedules/{}", {"export": {"report": "orders"}}),
    ("PATCH", "/schedules/{}", {"export": {"surveyId": ONE_ROW_SURVEY}}),
    ("DELETE", "/schedules/{}", None),
]
# Each route in OTHER_ROUTES has its own rule. The routes in OPEN_ROUTES return no data from exports,
# schedules or reports.
OTHER_ROUTES = [("POST", path) for path in ("/exports", "/reports/csv", "/schedules")]
OTHER_ROUTES += [("GET", path) for path in ("/exports", "/schedules", "/report-types", "/report-types/{}")]
OTHER_ROUTES += [("GET", "/report-types/{}/choices/{}")]
OPEN_ROUTES = [("GET", f"/{name}") for name in ("healthz", "readyz", "metrics", "limits", "webhook-secret")]
TOKEN_ROUTES = [("POST", "/tokens")]  # see test_tokens.py
TIMEOUT_SECONDS = 60


class Callers(RuleBasedStateMachine):
    jobs: Bundle[str] = Bundle("jobs")
    schedules: Bundle[str] = Bundle("schedules")
    cursors: Bundle[tuple[str, str]] = Bundle("cursors")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.first_bodies: dict[str, Any] = {}
        self.deleted: set[str] = set()

    # The bundles contain the ids of all callers' resources, so a rule may combine the id of one caller's
    # resource with a different caller's key.

    @rule(
        target=jobs,
        who=WHO,
        request=st.sampled_from(REQUESTS),
        name=st.none() | NAMES,
        frozen=st.booleans(),
    )
    def start(self, who: int, request: dict[str, Any], name: str | None, frozen: bool) -> Any:
        key = self.world.keys[who]
        headers = {"Idempotency-Key": name} if name is not None else {}
        path = "/reports/csv" if frozen else "/exports"
        answer = self.world.request(key, "POST", path, json=request, headers=headers)
        if not key.may(request):
            self._assert_not_permitted(answer)
            return multiple()
        earlier = key.created.get(("job", name)) if name is not None else None
        if earlier is not None and earlier.id in key.jobs and earlier.body != request:
            assert answer.status_code == 422, "the Idempotency-Key was used with another request"
            return multiple()
        job_id = str(answer.raise_for_status().json()["data" if frozen else "id"])
        if earlier is not None and earlier.id in key.jobs:
            assert job_id == earlier.id
        elif name is not None:
            assert job_id not in key.caller.jobs, "the export of another key answers"
        return self._job(key, job_id, request, not key.sees_pii, name=("job", name) if name else None)

    @rule(who=WHO, id_=jobs | st.just(UNKNOWN), route=st.sampled_from(JOB_ROUTES))
    def use_job(self, who: int, id_: str, route: tuple[str, str]) -> None:
        key, (method, path) = self.world.keys[who], route
        if id_ not in key.jobs:
            self.world.assert_unknown(key, method, path, id_)
            return
        answer = self.world.request(key, method, path.format(id_))
        if path.endswith("/retry"):
            if answer.is_success:
                self._job(key, answer.json()["id"], key.jobs[id_].body, not key.sees_pii)
            else:
                assert answer.status_code == 409, answer.text
        elif method == "DELETE":
            assert answer.status_code == 204, answer.text
            del key.caller.jobs[id_]
            self.deleted.add(id_)
            self.world.assert_unknown(key, "GET", "/exports/{}", id_)
        else:
            assert answer.status_code in (200, 202, 303, 409), answer.text

    @rule(who=WHO, request=st.sampled_from(REQUESTS), route=st.sampled_from(PREVIEWS))
    def preview(self, who: int, request: dict[str, Any], route: tuple[str, str]) -> None:
        key, (method, path) = self.world.keys[who], route
        content: dict[str, Any] = {"params": request} if method == "GET" else {"json": request}
        if path.startswith("/schedules"):
            days = {name: request[name] for name in ("from", "to")}
            export = {name: value for name, value in request.items() if name not in days}
            content = {"json": YEARLY | {"range": {"kind": "absolute", **days}, "export": export}}
        answer = self.world.request(key, method, path, **content)
        if key.may(request):
            answer.raise_for_status()
        else:
            self._assert_not_permitted(answer)

    @rule(who=WHO)
    def list_choices(self, who: int) -> None:
        key = self.world.keys[who]
        items = self.world.request(key, "GET", CHOICES).raise_for_status().json()["items"]
        surveys = {item["value"] for item in items}
        assert surveys >= {EMPTY_SURVEY, ONE_ROW_SURVEY} if key.surveys is None else surveys == key.surveys

    @rule(who=WHO)
    def list_jobs(self, who: int) -> None:
        key = self.world.keys[who]
        assert sorted(self.world.list_ids(key, "/exports", limit="3")) == sorted(key.jobs)

    @rule(who=WHO, id_=schedules | st.just(UNKNOWN))
    def list_jobs_of_a_schedule(self, who: int, id_: str) -> None:
        key = self.world.keys[who]
        own = sorted(job.id for job in key.jobs.values() if job.schedule_id == id_)
        assert sorted(self.world.list_ids(key, "/exports", scheduleId=id_)) == own

    @rule(target=cursors, who=WHO, path=st.sampled_from(["/exports", "/schedules"]))
    def first_page(self, who: int, path: str) -> Any:
        key = self.world.keys[who]
        page = self.world.request(key, "GET", path, params={"limit": "1"}).raise_for_status().json()
        return multiple() if page["nextCursor"] is None else (path, page["nextCursor"])

    @rule(who=WHO, page_cursor=cursors)
    def next_page_with_any_cursor(self, who: int, page_cursor: tuple[str, str]) -> None:
        key, (path, cursor) = self.world.keys[who], page_cursor
        page = self.world.request(key, "GET", path, params={"cursor": cursor}).raise_for_status().json()
        own = key.jobs if path == "/exports" else key.schedules
        assert {item["id"] for item in page["items"]} <= set(own)

    @rule(target=schedules, who=WHO, body=st.sampled_from(SCHEDULES), name=st.none() | NAMES)
    def create_schedule(self, who: int, body: dict[str, Any], name: str | None) -> Any:
        key = self.world.keys[who]
        body = body | {"notify": [{"kind": "webhook", "url": self.world.hook, "on": EVENTS}]}
        headers = {"Idempotency-Key": name} if name is not None else {}
        answer = self.world.request(key, "POST", "/schedules", json=body, headers=headers)
        if not key.may(body["export"]):
            self._assert_not_permitted(answer)
            return multiple()
        earlier = key.created.get(("schedule", name)) if name is not None else None
        exists = earlier is not None and earlier.id in key.caller.schedules
        if earlier is not None and exists:
            is_same = key.covers(earlier) and self.first_bodies[earlier.id] == body
            assert answer.status_code == (200 if is_same else 422)
            return earlier.id if is_same else multiple()
        schedule_id = str(answer.raise_for_status().json()["id"])
        assert schedule_id not in key.caller.schedules, "the schedule of another key answers"
        self.world.assert_new(key, schedule_id)
        key.caller.schedules[schedule_id] = Resource(schedule_id, body, not key.sees_pii, surveys=key.surveys)
        self.first_bodies[schedule_id] = body
        if name is not None:
            key.created["schedule", name] = key.caller.schedules[schedule_id]
        return schedule_id

    @rule(target=jobs, who=WHO, id_=schedules | st.just(UNKNOWN), route=st.sampled_from(SCHEDULE_ROUTES))
    def use_schedule(self, who: int, id_: str, route: tuple[str, str, Any]) -> Any:
        key, (method, path, body) = self.world.keys[who], route
        content = {"json": body} if body is not None else {}
        if id_ not in key.schedules:
            self.world.assert_unknown(key, method, path, id_, **content)
            return multiple()
        answer = self.world.request(key, method, path.format(id_), **content)
        schedule = key.schedules[id_]
        if path.endswith("/run"):
            job_id = answer.raise_for_status().json()["id"]
            return self._job(key, job_id, schedule.body["export"], schedule.masked, schedule_id=id_)
        export = (body or {}).get("export", schedule.body["export"])
        if method == "PATCH" and not (key.may(export) and is_allowed(export, schedule.surveys)):
            assert answer.status_code == 422
            return multiple()
        answer.raise_for_status()
        if path.endswith("/runs"):
            own = {job.id for job in key.jobs.values() if job.schedule_id == id_}
            assert {item["id"] for item in answer.json()["items"]} <= own
        if method == "PATCH":
            schedule.body = {**schedule.body, **body}
        if method == "DELETE":
            del key.caller.schedules[id_]
            self.world.assert_unknown(key, "GET", "/schedules/{}", id_)
        return multiple()

    @rule(who=WHO)
    def list_schedules(self, who: int) -> None:
        key = self.world.keys[who]
        assert sorted(self.world.list_ids(key, "/schedules", limit="2")) == sorted(key.schedules)

    @rule(who=WHO)
    def list_reports(self, who: int) -> None:
        key = self.world.keys[who]
        items = self.world.request(key, "GET", "/report-types").raise_for_status().json()["items"]
        assert {item["name"] for item in items} == key.reports

    @rule(
        who=WHO,
        name=st.sampled_from(REPORTS),
        path=st.sampled_from(["/report-types/{}", "/reports?report={}"]),
    )
    def forbidden_report_looks_unknown(self, who: int, name: str, path: str) -> None:
        key = self.world.keys[who]
        answer = self.world.request(key, "GET", path.format(name))
        if name in key.reports:
            assert answer.status_code == (422 if "?" in path else 200)  # the scope and dates are missing
            return
        unknown = self.world.request(key, "GET", path.format("nothing"))
        assert without_name(answer, name) == without_name(unknown, "nothing")

    def teardown(self) -> None:
        try:
            for who in range(len(KEYS)):
                self.list_jobs(who)
                self.list_schedules(who)
                self.list_deliveries(who)
        finally:
            for key in self.world.keys:
                for schedule_id in list(key.schedules):
                    key.http.delete(f"/schedules/{schedule_id}")
                key.http.close()

    def list_deliveries(self, who: int) -> None:
        """Wait until a webhook is listed for every run that the key covers.

        Fail if any other webhook is listed.
        """
        key, deadline = self.world.keys[who], time.monotonic() + TIMEOUT_SECONDS
        for id_ in key.schedules:
            covered = {job.id for job in key.jobs.values() if job.schedule_id == id_}
            while not covered <= (listed := self._delivered_exports(key, id_)):
                assert time.monotonic() < deadline, (covered, listed)
                time.sleep(0.2)
            assert listed <= covered | self.deleted  # a webhook is kept while it is being sent

    def _delivered_exports(self, key: Key, schedule_id: str) -> set[str]:
        page = self.world.request(key, "GET", f"/schedules/{schedule_id}/deliveries").raise_for_status()
        return {item["exportId"] for item in page.json()["items"]}

    def _assert_not_permitted(self, answer: httpx.Response) -> None:
        pointer = answer.json()["errors"][0]["pointer"]
        assert (answer.status_code, pointer.rpartition("/")[2]) in [(422, "report"), (422, "surveyId")]
        self.world.refused += 1

    def _job(
        self,
        key: Key,
        job_id: str,
        body: Any,
        masked: bool,
        *,
        name: tuple[str, str] | None = None,
        schedule_id: str | None = None,
    ) -> str:
        self.world.assert_new(key, job_id)
        job = key.caller.jobs.setdefault(job_id, Resource(job_id, body, masked, schedule_id))
        if name is not None:
            key.created[name] = job
        return job_id


@pytest.fixture
def new_world(guarded_url: str, guarded_keys: Path, receiver: Receiver) -> Callable[[], World]:
    """Return a function that creates new callers and their keys."""
    file, hook = KeyFile(guarded_keys), receiver.url(f"/{secrets.token_hex(8)}")

    def world() -> World:
        callers = {name: Caller(f"{name}-{secrets.token_hex(6)}") for name, *_ in KEYS}
        return World([key(callers[name], *rights) for name, *rights in KEYS], hook)

    def key(caller: Caller, reports: tuple[str, ...], sees_pii: bool, surveys: frozenset[str] | None) -> Key:
        allow = {"surveyId": list(surveys)} if surveys is not None else None
        token = file.create(caller.name, reports, datetime.now(UTC), sees_pii, allow)
        headers = {"Authorization": f"Bearer {token}"}
        http = httpx.Client(base_url=guarded_url, headers=headers, timeout=30, trust_env=False)
        return Key(caller, http, frozenset(reports), sees_pii, surveys)

    return world


@pytest.mark.timeout(0 if EXAMPLES > 8 else 450)
def test_no_key_reveals_or_changes_what_it_does_not_cover(
    new_world: Callable[[], World], tally: Tally
) -> None:
    worlds: list[World] = []

    def callers() -> Callers:
        worlds.append(new_world())
        return Callers(worlds[-1])

    run_state_machine_as_test(
        callers,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=EXAMPLES <= 8,
            database=None,
            phases=[Phase.generate],  # shrinking would take minutes
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    tally.add(sum(world.refused for world in worlds))


def test_the_actions_include_every_documented_route(guarded_url: str) -> None:
    document = httpx.get(f"{guarded_url}/openapi.json", trust_env=False).raise_for_status().json()
    documented = {
        (method.upper(), re.sub(r"{[^}]+}", "{}", path))
        for path, item in document["paths"].items()
        for method in item
    }
    routes = [
        *JOB_ROUTES,
        *(route[:2] for route in SCHEDULE_ROUTES),
        *PREVIEWS,
        *OTHER_ROUTES,
        *OPEN_ROUTES,
        *TOKEN_ROUTES,
    ]
    assert {(method, path.partition("?")[0]) for method, path in routes} == documented
