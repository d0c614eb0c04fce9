"""Test with random actions that three callers cannot see, change or infer each other's data.

Set LEAK_EXAMPLES=300 to run more examples than in CI, and different ones each time.
"""

import os
import secrets
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
from tests.support.caller_model import UNKNOWN, Caller, Resource, World, without_name
from tests.support.export_client import EMPTY_SURVEY, ONE_ROW_SURVEY

EXAMPLES = int(os.environ.get("LEAK_EXAMPLES", "8"))
STEPS = 35
REPORTS = ("survey-responses", "orders")
REQUESTS: list[dict[str, Any]] = [
    {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2"},
    {"surveyId": ONE_ROW_SURVEY, "from": "2024-09-24", "to": "2024-09-24"},
    {"report": "orders", "from": "2024-03-01", "to": "2024-03-01"},
]
# None of these schedules runs during the test.
SCHEDULES: list[dict[str, Any]] = [
    {
        "name": name,
        "recurrence": {"cron": "0 0 29 2 *"},
        "range": {"kind": kind} if kind == "since-last" else {"kind": "relative", "preset": kind},
        "export": export,
    }
    for name, kind, export in (
        ("attendees", "yesterday", {"surveyId": EMPTY_SURVEY}),
        ("orders", "since-last", {"report": "orders"}),
    )
]
CALLERS = st.integers(0, 2)
KEYS = st.sampled_from(["one", "two"])
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
    ("POST", "/schedules/{}/run", None),
    ("PATCH", "/schedules/{}", {"enabled": False}),
    ("PATCH", "/schedules/{}", {"name": "renamed"}),
    ("DELETE", "/schedules/{}", None),
]


class ThreeCallers(RuleBasedStateMachine):
    jobs: Bundle[str] = Bundle("jobs")
    schedules: Bundle[str] = Bundle("schedules")
    cursors: Bundle[tuple[str, str]] = Bundle("cursors")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    # The bundles contain the ids of all callers. The requesting caller is drawn independently of the owner.

    @rule(
        target=jobs,
        who=CALLERS,
        request=st.sampled_from(REQUESTS),
        key=st.none() | KEYS,
        frozen=st.booleans(),
    )
    def start(self, who: int, request: dict[str, Any], key: str | None, frozen: bool) -> Any:
        caller = self.world.callers[who]
        headers = {"Idempotency-Key": key} if key is not None else {}
        path = "/reports/csv" if frozen else "/exports"
        answer = self.world.request(caller, "POST", path, json=request, headers=headers)
        earlier = caller.keys.get(("job", key)) if key is not None else None
        if _is_rate_limited(answer):
            return multiple()
        if not caller.may(request):
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == "/report"
            return multiple()
        if earlier is not None and earlier.id in caller.jobs and earlier.body != request:
            assert answer.status_code == 422, "the key was used with another request"
            return multiple()
        job_id = str(answer.raise_for_status().json()["data" if frozen else "id"])
        if earlier is not None and earlier.id in caller.jobs:
            assert job_id == earlier.id
        return self._job(caller, job_id, request, ("job", key) if key is not None else None)

    @rule(who=CALLERS, id_=jobs | st.just(UNKNOWN), route=st.sampled_from(JOB_ROUTES))
    def use_job(self, who: int, id_: str, route: tuple[str, str]) -> None:
        caller, (method, path) = self.world.callers[who], route
        if id_ not in caller.jobs:
            self.world.assert_unknown(caller, method, path, id_)
            return
        answer = self.world.request(caller, method, path.format(id_))
        if path.endswith("/retry"):
            if answer.is_success:
                self._job(caller, answer.json()["id"], caller.jobs[id_].body)
            else:
                assert answer.status_code == 409 or _is_rate_limited(answer), answer.text
        elif method == "DELETE":
            assert answer.status_code == 204, answer.text
            del caller.jobs[id_]
            self.world.assert_unknown(caller, "GET", "/exports/{}", id_)
        else:
            assert answer.status_code in (200, 202, 303, 409), answer.text

    @rule(who=CALLERS)
    def list_jobs(self, who: int) -> None:
        caller = self.world.callers[who]
        assert sorted(self.world.list_ids(caller, "/exports", limit="3")) == sorted(caller.jobs)

    @rule(who=CALLERS, id_=schedules | st.just(UNKNOWN))
    def list_jobs_of_a_schedule(self, who: int, id_: str) -> None:
        caller = self.world.callers[who]
        own = sorted(job.id for job in caller.jobs.values() if job.schedule_id == id_)
        assert sorted(self.world.list_ids(caller, "/exports", scheduleId=id_)) == own

    @rule(target=cursors, who=CALLERS, path=st.sampled_from(["/exports", "/schedules"]))
    def first_page(self, who: int, path: str) -> Any:
        caller = self.world.callers[who]
        page = self.world.request(caller, "GET", path, params={"limit": "1"}).raise_for_status().json()
        return multiple() if page["nextCursor"] is None else (path, page["nextCursor"])

    @rule(who=CALLERS, page_cursor=cursors)
    def next_page_with_any_cursor(self, who: int, page_cursor: tuple[str, str]) -> None:
        caller, (path, cursor) = self.world.callers[who], page_cursor
        page = self.world.request(caller, "GET", path, params={"cursor": cursor}).raise_for_status().json()
        own = caller.jobs if path == "/exports" else caller.schedules
        assert {item["id"] for item in page["items"]} <= set(own)

    @rule(target=schedules, who=CALLERS, body=st.sampled_from(SCHEDULES), key=st.none() | KEYS)
    def create_schedule(self, who: int, body: dict[str, Any], key: str | None) -> Any:
        caller = self.world.callers[who]
        headers = {"Idempotency-Key": key} if key is not None else {}
        answer = self.world.request(caller, "POST", "/schedules", json=body, headers=headers)
        earlier = caller.keys.get(("schedule", key)) if key is not None else None
        if _is_rate_limited(answer):
            return multiple()
        if not caller.may(body["export"]):
            assert answer.status_code == 422
            return multiple()
        if earlier is not None and earlier.id in caller.schedules and earlier.body != body:
            assert answer.status_code == 422
            return multiple()
        schedule_id = str(answer.raise_for_status().json()["id"])
        if earlier is not None and earlier.id in caller.schedules:
            assert schedule_id == earlier.id
        self.world.assert_new(caller, schedule_id)
        caller.schedules[schedule_id] = Resource(schedule_id, body)
        if key is not None:
            caller.keys["schedule", key] = caller.schedules[schedule_id]
        return schedule_id

    @rule(target=jobs, who=CALLERS, id_=schedules | st.just(UNKNOWN), route=st.sampled_from(SCHEDULE_ROUTES))
    def use_schedule(self, who: int, id_: str, route: tuple[str, str, Any]) -> Any:
        caller, (method, path, body) = self.world.callers[who], route
        content = {"json": body} if body is not None else {}
        if id_ not in caller.schedules:
            self.world.assert_unknown(caller, method, path, id_, **content)
            return multiple()
        answer = self.world.request(caller, method, path.format(id_), **content)
        if path.endswith("/run"):
            if _is_rate_limited(answer):
                return multiple()
            schedule = caller.schedules[id_]
            return self._job(
                caller, answer.raise_for_status().json()["id"], schedule.body["export"], schedule_id=id_
            )
        answer.raise_for_status()
        if path.endswith("/runs"):
            own = {job.id for job in caller.jobs.values() if job.schedule_id == id_}
            assert {item["id"] for item in answer.json()["items"]} <= own
        if method == "DELETE":
            del caller.schedules[id_]
            self.world.assert_unknown(caller, "GET", "/schedules/{}", id_)
        return multiple()

    @rule(who=CALLERS)
    def list_schedules(self, who: int) -> None:
        caller = self.world.callers[who]
        assert sorted(self.world.list_ids(caller, "/schedules", limit="2")) == sorted(caller.schedules)

    @rule(who=CALLERS)
    def list_reports(self, who: int) -> None:
        caller = self.world.callers[who]
        items = self.world.request(caller, "GET", "/report-types").raise_for_status().json()["items"]
        assert {item["name"] for item in items} == caller.reports

    @rule(
        who=CALLERS,
        name=st.sampled_from(REPORTS),
        path=st.sampled_from(["/report-types/{}", "/reports?report={}"]),
    )
    def forbidden_report_looks_unknown(self, who: int, name: str, path: str) -> None:
        caller = self.world.callers[who]
        answer = self.world.request(caller, "GET", path.format(name))
        if name in caller.reports:
            assert answer.status_code == (422 if "?" in path else 200)  # scope and dates are missing
            return
        unknown = self.world.request(caller, "GET", path.format("nothing"))
        assert without_name(answer, name) == without_name(unknown, "nothing")

    def teardown(self) -> None:
        try:
            for who in range(3):
                self.list_jobs(who)
                self.list_schedules(who)
        finally:
            for caller in self.world.callers:
                for schedule_id in caller.schedules:
                    caller.http.delete(f"/schedules/{schedule_id}")
                caller.http.close()

    def _job(
        self,
        caller: Caller,
        job_id: str,
        body: Any,
        key: tuple[str, str] | None = None,
        schedule_id: str | None = None,
    ) -> str:
        self.world.assert_new(caller, job_id)
        job = caller.jobs.setdefault(job_id, Resource(job_id, body, schedule_id))
        if key is not None:
            caller.keys[key] = job
        return job_id


def _is_rate_limited(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.TOO_MANY_REQUESTS and int(answer.headers["retry-after"]) >= 0


@pytest.fixture
def new_world(guarded_url: str, guarded_keys: Path) -> Callable[[], World]:
    """Return a function that creates three callers of an API that requires keys."""
    keys = KeyFile(guarded_keys)

    def caller(reports: tuple[str, ...]) -> Caller:
        name = f"caller-{secrets.token_hex(6)}"
        headers = {"Authorization": f"Bearer {keys.create(name, reports, datetime.now(UTC))}"}
        http = httpx.Client(base_url=guarded_url, headers=headers, timeout=30, trust_env=False)
        return Caller(name, http, frozenset(reports))

    return lambda: World([caller(reports) for reports in (REPORTS, REPORTS[:1], REPORTS)])


@pytest.mark.timeout(0 if EXAMPLES > 8 else 300)
def test_no_caller_sees_changes_or_infers_anything_of_another(new_world: Callable[[], World]) -> None:
    run_state_machine_as_test(
        lambda: ThreeCallers(new_world()),
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
