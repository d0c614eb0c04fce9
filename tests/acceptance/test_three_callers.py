"""Whatever three callers do, none of them sees, changes or infers what is another's.

LEAK_EXAMPLES=300 looks longer than CI does, and each time elsewhere.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
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
from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack

EXAMPLES = int(os.environ.get("LEAK_EXAMPLES", "8"))
STEPS = 35
REPORTS = ("survey-responses", "orders")
REQUESTS: list[dict[str, Any]] = [
    {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2"},
    {"surveyId": ONE_ROW_SURVEY, "from": "2024-09-24", "to": "2024-09-24"},
    {"report": "orders", "from": "2024-03-01", "to": "2024-03-01"},
]
# None of them fires while the test runs.
RECURRING: list[dict[str, Any]] = [
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
WHO = st.integers(0, 2)
KEYS = st.sampled_from(["one", "two"])
SAME_ON_EACH = [
    ("GET", "/exports/{}"),
    ("GET", "/exports/{}/download"),
    ("GET", "/exports/{}/manifest"),
    ("GET", "/reports/csv?jobId={}"),
    ("POST", "/exports/{}/cancel"),
    ("POST", "/exports/{}/retry"),
    ("DELETE", "/exports/{}"),
]
OF_SCHEDULES: list[tuple[str, str, Any]] = [
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

    # Each bundle holds the ids of all three; who asks for one is drawn apart from whose it is.

    @rule(target=jobs, who=WHO, request=st.sampled_from(REQUESTS), key=st.none() | KEYS, frozen=st.booleans())
    def start(self, who: int, request: dict[str, Any], key: str | None, frozen: bool) -> Any:
        caller = self.world.callers[who]
        headers = {"Idempotency-Key": key} if key is not None else {}
        path = "/reports/csv" if frozen else "/exports"
        answer = self.world.request(caller, "POST", path, json=request, headers=headers)
        earlier = caller.keys.get(("job", key)) if key is not None else None
        if _limited(answer):
            return multiple()
        if not caller.may(request):
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == "/report"
            return multiple()
        if earlier is not None and earlier.id in caller.jobs and earlier.body != request:
            assert answer.status_code == 422, "a key that came with another request"
            return multiple()
        found = str(answer.raise_for_status().json()["data" if frozen else "id"])
        if earlier is not None and earlier.id in caller.jobs:
            assert found == earlier.id
        return self._job(caller, found, request, ("job", key) if key is not None else None)

    @rule(who=WHO, of_id=jobs | st.just(UNKNOWN), what=st.sampled_from(SAME_ON_EACH))
    def ask_of_a_job(self, who: int, of_id: str, what: tuple[str, str]) -> None:
        caller, (method, path) = self.world.callers[who], what
        if of_id not in caller.jobs:
            self.world.assert_unknown(caller, method, path, of_id)
            return
        answer = self.world.request(caller, method, path.format(of_id))
        if path.endswith("/retry"):
            if answer.is_success:
                self._job(caller, answer.json()["id"], caller.jobs[of_id].body)
            else:
                assert answer.status_code == 409 or _limited(answer), answer.text
        elif method == "DELETE":
            assert answer.status_code == 204, answer.text
            del caller.jobs[of_id]
            self.world.assert_unknown(caller, "GET", "/exports/{}", of_id)
        else:
            assert answer.status_code in (200, 202, 303, 409), answer.text

    @rule(who=WHO)
    def list_jobs(self, who: int) -> None:
        caller = self.world.callers[who]
        assert sorted(self.world.list_ids(caller, "/exports", limit="3")) == sorted(caller.jobs)

    @rule(who=WHO, of_id=schedules | st.just(UNKNOWN))
    def list_jobs_of_a_schedule(self, who: int, of_id: str) -> None:
        caller = self.world.callers[who]
        own = sorted(each.id for each in caller.jobs.values() if each.schedule_id == of_id)
        assert sorted(self.world.list_ids(caller, "/exports", scheduleId=of_id)) == own

    @rule(target=cursors, who=WHO, path=st.sampled_from(["/exports", "/schedules"]))
    def first_page(self, who: int, path: str) -> Any:
        caller = self.world.callers[who]
        page = self.world.request(caller, "GET", path, params={"limit": "1"}).raise_for_status().json()
        return multiple() if page["nextCursor"] is None else (path, page["nextCursor"])

    @rule(who=WHO, place=cursors)
    def next_page_of_anybody(self, who: int, place: tuple[str, str]) -> None:
        caller, (path, cursor) = self.world.callers[who], place
        page = self.world.request(caller, "GET", path, params={"cursor": cursor}).raise_for_status().json()
        own = caller.jobs if path == "/exports" else caller.schedules
        assert {each["id"] for each in page["items"]} <= set(own)

    @rule(target=schedules, who=WHO, body=st.sampled_from(RECURRING), key=st.none() | KEYS)
    def make_schedule(self, who: int, body: dict[str, Any], key: str | None) -> Any:
        caller = self.world.callers[who]
        headers = {"Idempotency-Key": key} if key is not None else {}
        answer = self.world.request(caller, "POST", "/schedules", json=body, headers=headers)
        earlier = caller.keys.get(("schedule", key)) if key is not None else None
        if _limited(answer):
            return multiple()
        if not caller.may(body["export"]):
            assert answer.status_code == 422
            return multiple()
        if earlier is not None and earlier.id in caller.schedules and earlier.body != body:
            assert answer.status_code == 422
            return multiple()
        found = str(answer.raise_for_status().json()["id"])
        if earlier is not None and earlier.id in caller.schedules:
            assert found == earlier.id
        self.world.assert_new(caller, found)
        caller.schedules[found] = Resource(found, body)
        if key is not None:
            caller.keys["schedule", key] = caller.schedules[found]
        return found

    @rule(target=jobs, who=WHO, of_id=schedules | st.just(UNKNOWN), what=st.sampled_from(OF_SCHEDULES))
    def ask_of_a_schedule(self, who: int, of_id: str, what: tuple[str, str, Any]) -> Any:
        caller, (method, path, body) = self.world.callers[who], what
        content = {"json": body} if body is not None else {}
        if of_id not in caller.schedules:
            self.world.assert_unknown(caller, method, path, of_id, **content)
            return multiple()
        answer = self.world.request(caller, method, path.format(of_id), **content)
        if path.endswith("/run"):
            if _limited(answer):
                return multiple()
            made = caller.schedules[of_id]
            return self._job(
                caller, answer.raise_for_status().json()["id"], made.body["export"], schedule_id=of_id
            )
        answer.raise_for_status()
        if path.endswith("/runs"):
            own = {each.id for each in caller.jobs.values() if each.schedule_id == of_id}
            assert {each["id"] for each in answer.json()["items"]} <= own
        if method == "DELETE":
            del caller.schedules[of_id]
            self.world.assert_unknown(caller, "GET", "/schedules/{}", of_id)
        return multiple()

    @rule(who=WHO)
    def list_schedules(self, who: int) -> None:
        caller = self.world.callers[who]
        assert sorted(self.world.list_ids(caller, "/schedules", limit="2")) == sorted(caller.schedules)

    @rule(who=WHO)
    def see_reports(self, who: int) -> None:
        caller = self.world.callers[who]
        items = self.world.request(caller, "GET", "/report-types").raise_for_status().json()["items"]
        assert {each["name"] for each in items} == caller.reports

    @rule(
        who=WHO,
        name=st.sampled_from(REPORTS),
        path=st.sampled_from(["/report-types/{}", "/reports?report={}"]),
    )
    def a_report_that_is_not_permitted_is_one_that_there_is_not(self, who: int, name: str, path: str) -> None:
        caller = self.world.callers[who]
        answer = self.world.request(caller, "GET", path.format(name))
        if name in caller.reports:
            assert answer.status_code == (422 if "?" in path else 200)  # without scope or days
            return
        nothing = self.world.request(caller, "GET", path.format("nothing"))
        assert without_name(answer, name) == without_name(nothing, "nothing")

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
        found: str,
        body: Any,
        key: tuple[str, str] | None = None,
        schedule_id: str | None = None,
    ) -> str:
        self.world.assert_new(caller, found)
        made = caller.jobs.setdefault(found, Resource(found, body, schedule_id))
        if key is not None:
            caller.keys[key] = made
        return found


def _limited(answer: httpx.Response) -> bool:
    """Nothing was accepted, and it is said when to ask again."""
    return answer.status_code == httpx.codes.TOO_MANY_REQUESTS and int(answer.headers["retry-after"]) >= 0


@pytest.fixture(scope="module")
def new_world(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], World]]:
    """Three callers whom nobody has seen before, on a service that asks for keys."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    keys = KeyFile(path)

    def caller(url: str, reports: tuple[str, ...]) -> Caller:
        name = f"caller-{secrets.token_hex(6)}"
        headers = {"Authorization": f"Bearer {keys.create(name, reports, datetime.now(UTC))}"}
        http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)
        return Caller(name, http, frozenset(reports))

    with extra_processes(stack) as others:
        url = others.start_api(REPORTS_KEYS_FILE=str(path), REPORTS_OUTAGE_SECONDS="60")
        yield lambda: World([caller(url, reports) for reports in (REPORTS, REPORTS[:1], REPORTS)])


@pytest.mark.timeout(0 if EXAMPLES > 8 else 300)
def test_no_caller_sees_changes_or_infers_what_is_anothers(new_world: Callable[[], World]) -> None:
    run_state_machine_as_test(
        lambda: ThreeCallers(new_world()),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=EXAMPLES <= 8,
            database=None,
            phases=[Phase.generate],  # a smaller example would take minutes to find
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
