"""Test the `/schedules` routes."""

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.support.export_client import EMPTY_SURVEY, ONE_ROW_SURVEY
from tests.support.schedules import WEEKLY, deployment_of, schedule_from_prefect_yaml

UNKNOWN = "00000000-0000-4000-8000-000000000000"
MADRID = ZoneInfo("Europe/Madrid")
RUN_TIMEOUT_SECONDS = 60
FINISHED = {"done", "error", "cancelled"}


class Creator:
    """A factory that creates schedules and deletes them after the test."""

    def __init__(self, api: httpx.Client) -> None:
        self._api, self._ids = api, list[str]()

    def __call__(self, **changes: Any) -> dict[str, Any]:
        answer = self._api.post("/schedules", json=WEEKLY | changes)
        assert answer.status_code == 201, answer.text
        self._ids.append(answer.json()["id"])
        return dict(answer.json())

    def delete_all(self) -> None:
        for schedule_id in self._ids:
            self._api.delete(f"/schedules/{schedule_id}")


@pytest.fixture
def create(api: httpx.Client) -> Iterator[Creator]:
    creator = Creator(api)
    yield creator
    creator.delete_all()


def scheduled_runs(prefect: httpx.Client, schedule_id: str) -> list[dict[str, Any]]:
    body = {
        "flow_runs": {
            "tags": {"all_": [f"schedule:{schedule_id}"]},
            "state": {"type": {"any_": ["SCHEDULED"]}},
        },
        "sort": "EXPECTED_START_TIME_ASC",
    }
    return list(prefect.post("/flow_runs/filter", json=body).raise_for_status().json())


def finish(api: httpx.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
    while (job := api.get(f"/exports/{job_id}").raise_for_status().json())["status"] not in FINISHED:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return dict(job)


def run_now(api: httpx.Client, schedule_id: str) -> dict[str, Any]:
    answer = api.post(f"/schedules/{schedule_id}/run")
    assert answer.status_code == 202, answer.text
    return finish(api, answer.json()["id"])


def ids(answer: httpx.Response) -> list[str]:
    return [item["id"] for item in answer.raise_for_status().json()["items"]]


def test_a_created_schedule_can_be_read_back(api: httpx.Client, create: Creator) -> None:
    schedule = create()
    assert {name: schedule[name] for name in WEEKLY} == WEEKLY
    assert (schedule["enabled"], schedule["onlyIfRows"], schedule["readOnly"]) == (True, False, False)
    assert api.get(f"/schedules/{schedule['id']}").json() == schedule
    first = schedule["nextRuns"][0]
    monday = datetime.fromisoformat(first["plannedAt"])
    assert (monday.weekday(), monday.hour, monday.utcoffset()) == (
        0,
        9,
        monday.astimezone(MADRID).utcoffset(),
    )
    assert first["from"] == (monday.date() - timedelta(days=7)).isoformat()
    assert first["to"] == (monday.date() - timedelta(days=1)).isoformat()


def test_a_schedule_is_a_prefect_deployment_with_its_runs_scheduled_at_once(
    create: Creator, prefect: httpx.Client
) -> None:
    schedule = create()
    runs = scheduled_runs(prefect, schedule["id"])
    assert datetime.fromisoformat(runs[0]["expected_start_time"]) == datetime.fromisoformat(
        schedule["nextRuns"][0]["plannedAt"]
    )
    assert {"owner:local", "report:survey-responses", f"schedule:{schedule['id']}"} <= set(runs[0]["tags"])
    stored = deployment_of(prefect, schedule["id"])
    assert stored["description"] == WEEKLY["name"]
    assert stored["schedules"][0]["schedule"] == {
        "cron": "0 9 * * MON",
        "timezone": "Europe/Madrid",
        "day_or": True,
    }


@pytest.mark.parametrize(
    ("name", "words"), [("Weekly attendees", "Weekly attendees"), ("R&D <50%> a/b", "R D 50 a b"), ("%&", "")]
)
def test_the_deployment_of_a_schedule_is_named_after_it(
    create: Creator, prefect: httpx.Client, name: str, words: str
) -> None:
    schedule = create(name=name)
    stored = deployment_of(prefect, schedule["id"])
    assert (stored["name"], stored["description"]) == (f"{words} {schedule['id']}".strip(), name)


def test_the_interactive_deployment_has_no_schedule(create: Creator, prefect: httpx.Client) -> None:
    create()
    assert prefect.get("/deployments/name/export-report/export").json()["schedules"] == []


@pytest.mark.parametrize(
    "recurrence",
    [
        {"cron": "30 6 1 * *", "timeZone": "UTC"},
        {"rrule": "RRULE:FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0", "timeZone": "America/New_York"},
        {"every": "PT6H", "timeZone": "Europe/Berlin", "anchor": "2026-01-01T00:00:00+00:00"},
        {"every": "P2D", "timeZone": "Europe/Berlin", "anchor": "2026-01-01T09:00:00+01:00"},
    ],
    ids=str,
)
def test_prefect_schedules_the_runs_that_are_shown(
    api: httpx.Client, create: Creator, prefect: httpx.Client, recurrence: dict[str, str]
) -> None:
    schedule = create(recurrence=recurrence)
    assert schedule["recurrence"] == recurrence
    next_runs = [datetime.fromisoformat(run["plannedAt"]) for run in schedule["nextRuns"]]
    runs = scheduled_runs(prefect, schedule["id"])
    assert [datetime.fromisoformat(run["expected_start_time"]) for run in runs][:3] == next_runs
    preview = api.post("/schedules/preview", json=WEEKLY | {"recurrence": recurrence})
    assert preview.json()["runs"] == schedule["nextRuns"]


def test_a_preview_shows_the_next_runs_and_creates_nothing(api: httpx.Client) -> None:
    before = ids(api.get("/schedules", params={"limit": 100}))
    body = {name: value for name, value in WEEKLY.items() if name != "name"}
    runs = api.post("/schedules/preview", json=body).raise_for_status().json()["runs"]
    assert len(runs) == 3
    for earlier, later in pairwise(runs):
        day_after = datetime.fromisoformat(earlier["to"]) + timedelta(days=1)
        assert day_after == datetime.fromisoformat(later["from"])
    assert ids(api.get("/schedules", params={"limit": 100})) == before


def test_a_manual_run_belongs_to_the_schedule_and_covers_its_current_range(
    api: httpx.Client, create: Creator
) -> None:
    schedule = create(range={"kind": "relative", "preset": "yesterday"})
    job = run_now(api, schedule["id"])
    yesterday = (datetime.now(MADRID) - timedelta(days=1)).date().isoformat()
    assert (job["status"], job["scheduleId"]) == ("done", schedule["id"])
    assert job["request"] == {
        **WEEKLY["export"],
        "timeZone": "Europe/Madrid",
        "from": yesterday,
        "to": yesterday,
    }
    assert yesterday in job["file"]["name"]
    assert ids(api.get(f"/schedules/{schedule['id']}/runs")) == [job["id"]]
    assert ids(api.get("/exports", params={"scheduleId": schedule["id"]})) == [job["id"]]


def test_a_manual_run_with_the_same_key_is_the_same_job(api: httpx.Client, create: Creator) -> None:
    schedule, key = create(), {"Idempotency-Key": secrets.token_hex(8)}
    first = api.post(f"/schedules/{schedule['id']}/run", headers=key)
    again = api.post(f"/schedules/{schedule['id']}/run", headers=key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]


def test_a_body_with_the_same_key_is_the_same_schedule(api: httpx.Client) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    body = WEEKLY | {"recurrence": {"every": "P1D"}}
    first = api.post("/schedules", json=body, headers=key)
    again = api.post("/schedules", json=body, headers=key)
    other = api.post("/schedules", json=body | {"name": "another"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert api.delete(first.headers["location"]).status_code == 204


def test_a_retry_of_a_run_covers_the_same_range(api: httpx.Client, create: Creator) -> None:
    job = run_now(api, create()["id"])
    again = api.post(f"/exports/{job['id']}/retry").raise_for_status().json()
    assert again["request"] == job["request"]


def test_only_if_rows_skips_the_file_of_a_run_without_rows(api: httpx.Client, create: Creator) -> None:
    job = run_now(api, create(onlyIfRows=True)["id"])
    assert (job["status"], job["file"]) == ("cancelled", None)
    assert job["error"] == {
        "code": "rows.none",
        "retryable": False,
        "message": "There were no rows, so no file was created.",
    }
    polled = api.get("/reports/csv", params={"jobId": job["id"]}).json()["data"]
    assert (polled["status"], polled["error"]) == ("error", "There were no rows, so no file was created.")
    assert job["id"] in ids(api.get("/exports", params={"status": "cancelled", "limit": 100}))


def test_only_if_rows_keeps_the_file_of_a_run_with_rows(api: httpx.Client, create: Creator) -> None:
    schedule = create(
        onlyIfRows=True,
        range={"kind": "absolute", "from": "2024-09-24", "to": "2024-09-24"},
        export={"surveyId": ONE_ROW_SURVEY, "timeZone": "UTC"},
    )
    job = run_now(api, schedule["id"])
    assert (job["status"], job["file"] and job["file"]["rows"]) == ("done", 1)


def test_since_last_continues_where_the_previous_run_ended(api: httpx.Client, create: Creator) -> None:
    schedule = create(range={"kind": "since-last"}, recurrence={"every": "PT6H"})
    first, second = (run_now(api, schedule["id"])["request"] for _ in range(2))
    since = datetime.fromisoformat(schedule["createdAt"])
    assert abs(datetime.fromisoformat(first["from"]) - since) < timedelta(seconds=5)
    assert second["from"] == first["to"] < second["to"]


def test_pausing_unschedules_runs_and_resuming_schedules_them_at_once(
    api: httpx.Client, create: Creator, prefect: httpx.Client
) -> None:
    schedule = create()
    paused = api.patch(f"/schedules/{schedule['id']}", json={"enabled": False})
    assert (paused.status_code, paused.json()["enabled"], paused.json()["nextRuns"]) == (200, False, [])
    assert scheduled_runs(prefect, schedule["id"]) == []
    resumed = api.patch(f"/schedules/{schedule['id']}", json={"enabled": True})
    assert resumed.json()["nextRuns"] == schedule["nextRuns"]
    assert scheduled_runs(prefect, schedule["id"])


def test_a_schedule_created_paused_has_no_scheduled_runs(create: Creator, prefect: httpx.Client) -> None:
    schedule = create(enabled=False)
    assert (schedule["enabled"], scheduled_runs(prefect, schedule["id"])) == (False, [])


def test_a_change_replaces_only_the_given_fields_and_reschedules(
    api: httpx.Client, create: Creator, prefect: httpx.Client
) -> None:
    schedule = create()
    change = {
        "recurrence": {"every": "P1D", "timeZone": "UTC", "anchor": "2026-01-01T06:00:00+00:00"},
        "range": {"kind": "relative", "preset": "yesterday"},
        "onlyIfRows": True,
    }
    changed = api.patch(f"/schedules/{schedule['id']}", json=change).raise_for_status().json()
    assert {name: changed[name] for name in change} == change
    assert (changed["name"], changed["export"]) == (schedule["name"], schedule["export"])
    assert api.get(f"/schedules/{schedule['id']}").json() == changed
    starts = [
        datetime.fromisoformat(run["expected_start_time"]) for run in scheduled_runs(prefect, schedule["id"])
    ]
    assert starts[0] == datetime.fromisoformat(changed["nextRuns"][0]["plannedAt"])
    assert {start.astimezone(UTC).hour for start in starts} == {6}
    assert len(deployment_of(prefect, schedule["id"])["schedules"]) == 1


def test_a_deleted_schedule_is_unknown_and_its_exports_remain(
    api: httpx.Client, create: Creator, prefect: httpx.Client
) -> None:
    schedule = create()
    job = run_now(api, schedule["id"])
    assert api.delete(f"/schedules/{schedule['id']}").status_code == 204
    assert api.get(f"/schedules/{schedule['id']}").status_code == 404
    assert api.delete(f"/schedules/{schedule['id']}").status_code == 404
    assert scheduled_runs(prefect, schedule["id"]) == []
    assert api.get(f"/exports/{job['id']}").json()["scheduleId"] == schedule["id"]


def test_deleting_a_schedule_cancels_its_queued_exports(
    api: httpx.Client, create: Creator, prefect: httpx.Client
) -> None:
    schedule = create()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    delayed = {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": later}}}
    create = f"/deployments/{deployment_of(prefect, schedule['id'])['id']}/create_flow_run"
    job_id = prefect.post(create, json=delayed).raise_for_status().json()["id"]
    assert api.delete(f"/schedules/{schedule['id']}").status_code == 204
    assert api.get(f"/exports/{job_id}").json()["status"] == "cancelled"


def test_the_list_is_newest_first_across_pages(api: httpx.Client, create: Creator) -> None:
    created = [create()["id"] for _ in range(3)]
    first = api.get("/schedules", params={"limit": 2})
    second = api.get("/schedules", params={"limit": 2, "cursor": first.json()["nextCursor"]})
    assert (ids(first) + ids(second))[:3] == created[::-1]


@pytest.mark.parametrize("history", ["runs", "deliveries"])
def test_an_invalid_query_of_a_history_is_refused(api: httpx.Client, create: Creator, history: str) -> None:
    path = f"/schedules/{create()['id']}/{history}"
    answer = api.get(f"{path}?limit=0&cursor=%25&colour=red")
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/limit", "/cursor", "/colour"}
    assert api.get(f"{path}?limit=1&limit=2").status_code == 400


def test_a_schedule_from_prefect_yaml_can_be_listed_and_run_but_not_changed(
    api: httpx.Client, prefect: httpx.Client
) -> None:
    with schedule_from_prefect_yaml(prefect) as (schedule_id, name):
        schedule = api.get(f"/schedules/{schedule_id}").raise_for_status().json()
        assert schedule_id in ids(api.get("/schedules", params={"limit": 100}))
        assert (schedule["readOnly"], schedule["name"]) == (True, name)
        assert {name: schedule[name] for name in ("recurrence", "range", "export")} == {
            name: WEEKLY[name] for name in ("recurrence", "range", "export")
        }
        assert schedule["nextRuns"][0]["from"] < schedule["nextRuns"][0]["to"]
        assert api.patch(f"/schedules/{schedule_id}", json={"enabled": False}).status_code == 409
        assert api.delete(f"/schedules/{schedule_id}").status_code == 409
        job = run_now(api, schedule_id)
        assert (job["status"], job["scheduleId"]) == ("done", schedule_id)
        assert ids(api.get(f"/schedules/{schedule_id}/runs")) == [job["id"]]


def test_a_schedule_runs_at_its_slot_and_covers_the_days_before_it(
    api: httpx.Client, create: Creator, prefect: httpx.Client
) -> None:
    slot = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    schedule = create(
        recurrence={"every": "PT15M", "timeZone": "Pacific/Kiritimati", "anchor": slot.isoformat()},
        range={"kind": "relative", "preset": "last-7-days"},
    )
    assert datetime.fromisoformat(schedule["nextRuns"][0]["plannedAt"]) == slot
    deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
    while not (job_ids := ids(api.get(f"/schedules/{schedule['id']}/runs"))):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    job = finish(api, job_ids[0])
    day = slot.astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    assert (job["status"], job["scheduleId"]) == ("done", schedule["id"])
    assert datetime.fromisoformat(job["createdAt"]) == slot
    # Prefect rounds delays to whole seconds, so a run may start up to a second before its slot.
    assert datetime.fromisoformat(job["startedAt"]) > slot - timedelta(seconds=1)
    assert job["request"]["from"] == (day - timedelta(days=7)).isoformat()
    assert job["request"]["to"] == (day - timedelta(days=1)).isoformat()
    run = prefect.get(f"/flow_runs/{job['id']}").json()
    assert run["created_by"]["type"] == "SCHEDULE"
    assert run["parameters"]["request"] == job["request"]
    assert run["name"] == f"survey-responses-{job['id']}"


def test_a_late_run_covers_the_range_of_its_slot(
    api: httpx.Client, create: Creator, prefect: httpx.Client
) -> None:
    """Start a run three days late, as if after an outage.

    Its date range must be relative to its scheduled time, not to the time at which it starts.
    """
    schedule = create(range={"kind": "relative", "preset": "yesterday"})
    slot = datetime.now(UTC) - timedelta(days=3)
    deployment_id = deployment_of(prefect, schedule["id"])["id"]
    late = {"type": "SCHEDULED", "state_details": {"scheduled_time": slot.isoformat()}}
    answer = prefect.post(f"/deployments/{deployment_id}/create_flow_run", json={"state": late})
    job = finish(api, answer.raise_for_status().json()["id"])
    day_before = (slot.astimezone(MADRID) - timedelta(days=1)).date().isoformat()
    assert (job["request"]["from"], job["request"]["to"]) == (day_before, day_before)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in WEEKLY.items() if key != name}


INVALID_BODIES: list[tuple[Any, str]] = [
    ([], ""),
    (without("name"), "/name"),
    (WEEKLY | {"name": ""}, "/name"),
    (WEEKLY | {"name": "two\nlines"}, "/name"),
    (WEEKLY | {"enabled": "yes"}, "/enabled"),
    (WEEKLY | {"onlyIfRows": 1}, "/onlyIfRows"),
    (WEEKLY | {"colour": "red"}, "/colour"),
    (WEEKLY | {"notify": "https://example.com"}, "/notify"),
    (WEEKLY | {"notify": [{"kind": "webhook", "url": "http://example.com"}]}, "/notify/0/url"),
    (without("recurrence"), "/recurrence"),
    (WEEKLY | {"recurrence": {"cron": "0 0 9 * * MON"}}, "/recurrence/cron"),
    (WEEKLY | {"recurrence": {"cron": "@reboot"}}, "/recurrence/cron"),
    (WEEKLY | {"recurrence": {"cron": "* * * * *"}}, "/recurrence/cron"),
    (WEEKLY | {"recurrence": {"rrule": "FREQ=SECONDLY"}}, "/recurrence/rrule"),
    (WEEKLY | {"recurrence": {"every": "PT1S"}}, "/recurrence/every"),
    (WEEKLY | {"recurrence": {"every": "P1D", "timeZone": "Mars/Olympus"}}, "/recurrence/timeZone"),
    (without("range"), "/range"),
    (WEEKLY | {"range": {"kind": "relative", "preset": "last-8-days"}}, "/range/preset"),
    (WEEKLY | {"range": {"kind": "absolute", "from": "2024-1-2", "to": "2024-1-1"}}, "/range"),
    (WEEKLY | {"range": {"kind": "absolute", "from": "2020-1-1", "to": "2024-1-1"}}, "/range"),
    (without("export"), "/export"),
    (WEEKLY | {"export": "survey-responses"}, "/export"),
    (WEEKLY | {"export": {"report": "nothing"}}, "/export/report"),
    (WEEKLY | {"export": {"report": {}}}, "/export/report"),
    (WEEKLY | {"export": {}}, "/export/surveyId"),
    (WEEKLY | {"export": {"surveyId": EMPTY_SURVEY, "from": "2024-1-1"}}, "/export/from"),
    (WEEKLY | {"export": {"surveyId": EMPTY_SURVEY, "colour": "red"}}, "/export/colour"),
    (WEEKLY | {"export": {"surveyId": EMPTY_SURVEY, "filters": {"x": 1}}}, "/export/filters/x"),
    (WEEKLY | {"export": {"surveyId": EMPTY_SURVEY, "timeZone": "Mars/Olympus"}}, "/export/timeZone"),
    (WEEKLY | {"export": {"surveyId": EMPTY_SURVEY, "columns": ["answers.nothing"]}}, "/export/columns"),
]


@pytest.mark.parametrize(("body", "pointer"), INVALID_BODIES)
@pytest.mark.parametrize("path", ["/schedules", "/schedules/preview"])
def test_an_invalid_body_is_refused_with_a_pointer(
    api: httpx.Client, body: Any, pointer: str, path: str
) -> None:
    answer = api.post(path, json=body)
    if path.endswith("preview") and body == without("name"):
        assert answer.status_code == 200
        return
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert answer.json()["data"] is None


def test_all_errors_of_a_body_are_reported_at_once(api: httpx.Client) -> None:
    body = WEEKLY | {"name": "", "recurrence": {"cron": "@daily"}, "range": {"kind": "never"}}
    errors = api.post("/schedules", json=body).json()["errors"]
    assert {error["pointer"] for error in errors} == {"/name", "/recurrence/cron", "/range/kind"}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ('{"name":"a","name":"b"}', "application/json", 400),
        ('{"name":NaN}', "application/json", 400),
        ("{", "application/json", 400),
        ("name=a", "application/x-www-form-urlencoded", 415),
        ('{"name":"' + "x" * 70_000 + '"}', "application/json", 413),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(
    api: httpx.Client, content: str, kind: str, status: int
) -> None:
    answer = api.post("/schedules", content=content, headers={"content-type": kind})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"enabled": "no"}, "/enabled"),
        ({"name": None}, "/name"),
        ({"recurrence": {"cron": "@hourly"}}, "/recurrence/cron"),
        ({"range": None}, "/range"),
        ({"export": {"surveyId": "x"}}, "/export/surveyId"),
        ({"id": UNKNOWN}, "/id"),
        ([], ""),
    ],
)
def test_an_invalid_change_is_refused_and_changes_nothing(
    api: httpx.Client, create: Creator, body: Any, pointer: str
) -> None:
    schedule = create()
    answer = api.patch(f"/schedules/{schedule['id']}", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert api.get(f"/schedules/{schedule['id']}").json() == schedule


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/run"), ("GET", "/runs"), ("GET", "/deliveries")],
)
@pytest.mark.parametrize("schedule_id", [UNKNOWN, "7", "x" * 5000, "..%2f.."])
def test_an_unknown_id_is_404_everywhere(api: httpx.Client, method: str, path: str, schedule_id: str) -> None:
    body = {"json": {"enabled": False}} if method == "PATCH" else {}
    answer = api.request(method, f"/schedules/{schedule_id}{path}", **body)
    assert (answer.status_code, answer.json()["data"]) == (404, None)


def test_deployments_that_are_not_schedules_are_unknown(api: httpx.Client, prefect: httpx.Client) -> None:
    for name in ("export-report/export", "sweep-files/sweep"):
        deployment_id = prefect.get(f"/deployments/name/{name}").raise_for_status().json()["id"]
        assert api.get(f"/schedules/{deployment_id}").status_code == 404
        assert deployment_id not in ids(api.get("/schedules", params={"limit": 100}))


def test_another_callers_schedule_is_unknown_and_not_listed(
    api: httpx.Client, create: Creator, prefect: httpx.Client
) -> None:
    schedule = create()
    deployment_id = deployment_of(prefect, schedule["id"])["id"]
    tags = ["owner:another-caller", f"schedule:{schedule['id']}"]
    prefect.patch(f"/deployments/{deployment_id}", json={"tags": tags}).raise_for_status()
    try:
        assert api.get(f"/schedules/{schedule['id']}").status_code == 404
        assert api.get(f"/schedules/{deployment_id}").status_code == 404
        assert api.post(f"/schedules/{schedule['id']}/run").status_code == 404
        assert schedule["id"] not in ids(api.get("/schedules", params={"limit": 100}))
    finally:
        prefect.delete(f"/deployments/{deployment_id}")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("cursor=%25", "/cursor"),
        ("cursor=LTE", "/cursor"),
        ("colour=red", "/colour"),
    ],
)
def test_an_invalid_query_of_the_list_is_refused(api: httpx.Client, query: str, pointer: str) -> None:
    answer = api.get(f"/schedules?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
