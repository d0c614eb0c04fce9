"""Recurring exports over REST, against the real Prefect: made, listed, changed, paused, run, removed."""

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
from tests.support.schedules import WEEKLY, schedule_from_prefect_yaml

UNKNOWN = "00000000-0000-4000-8000-000000000000"
MADRID = ZoneInfo("Europe/Madrid")
FIRED_WITHIN_SECONDS = 60
FINISHED = {"done", "error", "cancelled"}


class Maker:
    """Recurring exports that are removed when the test has ended."""

    def __init__(self, api: httpx.Client) -> None:
        self._api, self._made = api, list[str]()

    def __call__(self, **changes: Any) -> dict[str, Any]:
        answer = self._api.post("/schedules", json=WEEKLY | changes)
        assert answer.status_code == 201, answer.text
        self._made.append(answer.json()["id"])
        return dict(answer.json())

    def remove_all(self) -> None:
        for schedule_id in self._made:
            self._api.delete(f"/schedules/{schedule_id}")


@pytest.fixture
def make(api: httpx.Client) -> Iterator[Maker]:
    maker = Maker(api)
    yield maker
    maker.remove_all()


def deployment(prefect: httpx.Client, schedule_id: str) -> dict[str, Any]:
    path = f"/deployments/name/export-report/recurring-{schedule_id}"
    return dict(prefect.get(path).raise_for_status().json())


def planned(prefect: httpx.Client, schedule_id: str) -> list[dict[str, Any]]:
    body = {
        "flow_runs": {
            "tags": {"all_": [f"schedule:{schedule_id}"]},
            "state": {"type": {"any_": ["SCHEDULED"]}},
        },
        "sort": "EXPECTED_START_TIME_ASC",
    }
    return list(prefect.post("/flow_runs/filter", json=body).raise_for_status().json())


def ended(api: httpx.Client, job_id: str) -> dict[str, Any]:
    until = time.monotonic() + FIRED_WITHIN_SECONDS
    while (job := api.get(f"/exports/{job_id}").raise_for_status().json())["status"] not in FINISHED:
        assert time.monotonic() < until, job
        time.sleep(0.1)
    return dict(job)


def run_now(api: httpx.Client, schedule_id: str) -> dict[str, Any]:
    answer = api.post(f"/schedules/{schedule_id}/run")
    assert answer.status_code == 202, answer.text
    return ended(api, answer.json()["id"])


def ids(answer: httpx.Response) -> list[str]:
    return [each["id"] for each in answer.raise_for_status().json()["items"]]


def test_a_recurring_export_is_made_and_read_as_it_was_asked_for(api: httpx.Client, make: Maker) -> None:
    made = make()
    assert {name: made[name] for name in WEEKLY} == WEEKLY
    assert (made["enabled"], made["onlyIfRows"], made["readOnly"]) == (True, False, False)
    assert api.get(f"/schedules/{made['id']}").json() == made
    first = made["nextRuns"][0]
    monday = datetime.fromisoformat(first["plannedAt"])
    assert (monday.weekday(), monday.hour, monday.utcoffset()) == (
        0,
        9,
        monday.astimezone(MADRID).utcoffset(),
    )
    assert first["from"] == (monday.date() - timedelta(days=7)).isoformat()
    assert first["to"] == (monday.date() - timedelta(days=1)).isoformat()


def test_it_is_a_prefect_deployment_of_its_own_whose_first_run_is_planned_at_once(
    make: Maker, prefect: httpx.Client
) -> None:
    made = make()
    runs = planned(prefect, made["id"])
    assert datetime.fromisoformat(runs[0]["expected_start_time"]) == datetime.fromisoformat(
        made["nextRuns"][0]["plannedAt"]
    )
    assert {"owner:local", "report:survey-responses", f"schedule:{made['id']}"} <= set(runs[0]["tags"])
    found = deployment(prefect, made["id"])
    assert found["description"] == WEEKLY["name"]
    assert found["schedules"][0]["schedule"] == {
        "cron": "0 9 * * MON",
        "timezone": "Europe/Madrid",
        "day_or": True,
    }


def test_the_interactive_deployment_carries_no_schedule(make: Maker, prefect: httpx.Client) -> None:
    make()
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
def test_prefect_plans_the_runs_that_are_shown(
    api: httpx.Client, make: Maker, prefect: httpx.Client, recurrence: dict[str, str]
) -> None:
    made = make(recurrence=recurrence)
    assert made["recurrence"] == recurrence
    shown = [datetime.fromisoformat(run["plannedAt"]) for run in made["nextRuns"]]
    runs = planned(prefect, made["id"])
    assert [datetime.fromisoformat(run["expected_start_time"]) for run in runs][:3] == shown
    preview = api.post("/schedules/preview", json=WEEKLY | {"recurrence": recurrence})
    assert preview.json()["runs"] == made["nextRuns"]


def test_a_preview_tells_the_next_runs_with_their_days_and_makes_nothing(api: httpx.Client) -> None:
    before = ids(api.get("/schedules", params={"limit": 100}))
    body = {name: value for name, value in WEEKLY.items() if name != "name"}
    runs = api.post("/schedules/preview", json=body).raise_for_status().json()["runs"]
    assert len(runs) == 3
    for earlier, later in pairwise(runs):
        day_after = datetime.fromisoformat(earlier["to"]) + timedelta(days=1)
        assert day_after == datetime.fromisoformat(later["from"])
    assert ids(api.get("/schedules", params={"limit": 100})) == before


def test_a_run_now_is_an_export_of_this_schedule_that_covers_the_days_of_now(
    api: httpx.Client, make: Maker
) -> None:
    made = make(range={"kind": "relative", "preset": "yesterday"})
    job = run_now(api, made["id"])
    yesterday = (datetime.now(MADRID) - timedelta(days=1)).date().isoformat()
    assert (job["status"], job["scheduleId"]) == ("done", made["id"])
    assert job["request"] == {
        **WEEKLY["export"],
        "timeZone": "Europe/Madrid",
        "from": yesterday,
        "to": yesterday,
    }
    assert yesterday in job["file"]["name"]
    assert ids(api.get(f"/schedules/{made['id']}/runs")) == [job["id"]]
    assert ids(api.get("/exports", params={"scheduleId": made["id"]})) == [job["id"]]


def test_a_run_now_with_the_same_key_is_the_same_job(api: httpx.Client, make: Maker) -> None:
    made, key = make(), {"Idempotency-Key": secrets.token_hex(8)}
    first = api.post(f"/schedules/{made['id']}/run", headers=key)
    again = api.post(f"/schedules/{made['id']}/run", headers=key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]


def test_a_body_with_the_same_key_is_the_same_recurring_export(api: httpx.Client) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    body = WEEKLY | {"recurrence": {"every": "P1D"}}
    first = api.post("/schedules", json=body, headers=key)
    again = api.post("/schedules", json=body, headers=key)
    other = api.post("/schedules", json=body | {"name": "another"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert api.delete(first.headers["location"]).status_code == 204


def test_a_retry_of_a_run_covers_its_days(api: httpx.Client, make: Maker) -> None:
    job = run_now(api, make()["id"])
    again = api.post(f"/exports/{job['id']}/retry").raise_for_status().json()
    assert again["request"] == job["request"]


def test_a_run_without_rows_makes_no_file_when_none_is_wanted_then(api: httpx.Client, make: Maker) -> None:
    job = run_now(api, make(onlyIfRows=True)["id"])
    assert (job["status"], job["file"]) == ("cancelled", None)
    assert job["error"] == {
        "code": "rows.none",
        "retryable": False,
        "message": "There were no rows, so no file was made.",
    }
    polled = api.get("/reports/csv", params={"jobId": job["id"]}).json()["data"]
    assert (polled["status"], polled["error"]) == ("error", "There were no rows, so no file was made.")
    assert job["id"] in ids(api.get("/exports", params={"status": "cancelled", "limit": 100}))


def test_a_run_with_rows_makes_its_file(api: httpx.Client, make: Maker) -> None:
    made = make(
        onlyIfRows=True,
        range={"kind": "absolute", "from": "2024-09-24", "to": "2024-09-24"},
        export={"surveyId": ONE_ROW_SURVEY, "timeZone": "UTC"},
    )
    job = run_now(api, made["id"])
    assert (job["status"], job["file"] and job["file"]["rows"]) == ("done", 1)


def test_since_last_each_run_begins_where_the_one_before_ended(api: httpx.Client, make: Maker) -> None:
    made = make(range={"kind": "since-last"}, recurrence={"every": "PT6H"})
    first, second = (run_now(api, made["id"])["request"] for _ in range(2))
    since = datetime.fromisoformat(made["createdAt"])
    assert abs(datetime.fromisoformat(first["from"]) - since) < timedelta(seconds=5)
    assert second["from"] == first["to"] < second["to"]


def test_a_paused_one_plans_nothing_and_a_resumed_one_plans_at_once(
    api: httpx.Client, make: Maker, prefect: httpx.Client
) -> None:
    made = make()
    paused = api.patch(f"/schedules/{made['id']}", json={"enabled": False})
    assert (paused.status_code, paused.json()["enabled"], paused.json()["nextRuns"]) == (200, False, [])
    assert planned(prefect, made["id"]) == []
    resumed = api.patch(f"/schedules/{made['id']}", json={"enabled": True})
    assert resumed.json()["nextRuns"] == made["nextRuns"]
    assert planned(prefect, made["id"])


def test_one_that_is_made_paused_plans_nothing(make: Maker, prefect: httpx.Client) -> None:
    made = make(enabled=False)
    assert (made["enabled"], planned(prefect, made["id"])) == (False, [])


def test_a_change_replaces_what_is_named_and_plans_anew(
    api: httpx.Client, make: Maker, prefect: httpx.Client
) -> None:
    made = make()
    change = {
        "recurrence": {"every": "P1D", "timeZone": "UTC", "anchor": "2026-01-01T06:00:00+00:00"},
        "range": {"kind": "relative", "preset": "yesterday"},
        "onlyIfRows": True,
    }
    changed = api.patch(f"/schedules/{made['id']}", json=change).raise_for_status().json()
    assert {name: changed[name] for name in change} == change
    assert (changed["name"], changed["export"]) == (made["name"], made["export"])
    assert api.get(f"/schedules/{made['id']}").json() == changed
    starts = [datetime.fromisoformat(run["expected_start_time"]) for run in planned(prefect, made["id"])]
    assert starts[0] == datetime.fromisoformat(changed["nextRuns"][0]["plannedAt"])
    assert {start.astimezone(UTC).hour for start in starts} == {6}
    assert len(deployment(prefect, made["id"])["schedules"]) == 1


def test_a_removed_one_is_unknown_and_plans_nothing_and_its_exports_stay(
    api: httpx.Client, make: Maker, prefect: httpx.Client
) -> None:
    made = make()
    job = run_now(api, made["id"])
    assert api.delete(f"/schedules/{made['id']}").status_code == 204
    assert api.get(f"/schedules/{made['id']}").status_code == 404
    assert api.delete(f"/schedules/{made['id']}").status_code == 404
    assert planned(prefect, made["id"]) == []
    assert api.get(f"/exports/{job['id']}").json()["scheduleId"] == made["id"]


def test_an_export_that_waits_when_its_recurring_export_is_removed_ends_as_cancelled(
    api: httpx.Client, make: Maker, prefect: httpx.Client
) -> None:
    made = make()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    waits = {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": later}}}
    create = f"/deployments/{deployment(prefect, made['id'])['id']}/create_flow_run"
    job_id = prefect.post(create, json=waits).raise_for_status().json()["id"]
    assert api.delete(f"/schedules/{made['id']}").status_code == 204
    assert api.get(f"/exports/{job_id}").json()["status"] == "cancelled"


def test_the_list_is_newest_first_page_by_page(api: httpx.Client, make: Maker) -> None:
    made = [make()["id"] for _ in range(3)]
    first = api.get("/schedules", params={"limit": 2})
    second = api.get("/schedules", params={"limit": 2, "cursor": first.json()["nextCursor"]})
    assert (ids(first) + ids(second))[:3] == made[::-1]


def test_one_that_is_kept_in_prefect_is_listed_and_run_and_cannot_be_changed(
    api: httpx.Client, prefect: httpx.Client
) -> None:
    with schedule_from_prefect_yaml(prefect) as (kept, name):
        found = api.get(f"/schedules/{kept}").raise_for_status().json()
        assert kept in ids(api.get("/schedules", params={"limit": 100}))
        assert (found["readOnly"], found["name"]) == (True, name)
        assert {name: found[name] for name in ("recurrence", "range", "export")} == {
            name: WEEKLY[name] for name in ("recurrence", "range", "export")
        }
        assert found["nextRuns"][0]["from"] < found["nextRuns"][0]["to"]
        assert api.patch(f"/schedules/{kept}", json={"enabled": False}).status_code == 409
        assert api.delete(f"/schedules/{kept}").status_code == 409
        job = run_now(api, kept)
        assert (job["status"], job["scheduleId"]) == ("done", kept)
        assert ids(api.get(f"/schedules/{kept}/runs")) == [job["id"]]


def test_a_schedule_fires_at_its_slot_and_its_job_covers_the_days_before_it(
    api: httpx.Client, make: Maker, prefect: httpx.Client
) -> None:
    slot = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    made = make(
        recurrence={"every": "PT15M", "timeZone": "Pacific/Kiritimati", "anchor": slot.isoformat()},
        range={"kind": "relative", "preset": "last-7-days"},
    )
    assert datetime.fromisoformat(made["nextRuns"][0]["plannedAt"]) == slot
    until = time.monotonic() + FIRED_WITHIN_SECONDS
    while not (fired := ids(api.get(f"/schedules/{made['id']}/runs"))):
        assert time.monotonic() < until
        time.sleep(0.2)
    job = ended(api, fired[0])
    day = slot.astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    assert (job["status"], job["scheduleId"]) == ("done", made["id"])
    assert datetime.fromisoformat(job["createdAt"]) == slot
    # Prefect waits in whole seconds: a run may begin in the second before its slot.
    assert datetime.fromisoformat(job["startedAt"]) > slot - timedelta(seconds=1)
    assert job["request"]["from"] == (day - timedelta(days=7)).isoformat()
    assert job["request"]["to"] == (day - timedelta(days=1)).isoformat()
    run = prefect.get(f"/flow_runs/{job['id']}").json()
    assert run["created_by"]["type"] == "SCHEDULE"
    assert run["parameters"]["request"] == job["request"]


def test_a_late_run_covers_the_days_of_its_slot(
    api: httpx.Client, make: Maker, prefect: httpx.Client
) -> None:
    """As after three days in which nothing ran: the slot is past, and the days are counted from it."""
    made = make(range={"kind": "relative", "preset": "yesterday"})
    slot = datetime.now(UTC) - timedelta(days=3)
    found = deployment(prefect, made["id"])
    late = {"type": "SCHEDULED", "state_details": {"scheduled_time": slot.isoformat()}}
    answer = prefect.post(f"/deployments/{found['id']}/create_flow_run", json={"state": late})
    job = ended(api, answer.raise_for_status().json()["id"])
    day_before = (slot.astimezone(MADRID) - timedelta(days=1)).date().isoformat()
    assert (job["request"]["from"], job["request"]["to"]) == (day_before, day_before)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in WEEKLY.items() if key != name}


WRONG_BODIES: list[tuple[Any, str]] = [
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


@pytest.mark.parametrize(("body", "pointer"), WRONG_BODIES)
@pytest.mark.parametrize("path", ["/schedules", "/schedules/preview"])
def test_a_wrong_body_is_refused_at_its_place(api: httpx.Client, body: Any, pointer: str, path: str) -> None:
    answer = api.post(path, json=body)
    if path.endswith("preview") and body == without("name"):
        assert answer.status_code == 200
        return
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert answer.json()["data"] is None


def test_all_mistakes_of_a_body_are_told_at_once(api: httpx.Client) -> None:
    body = WEEKLY | {"name": "", "recurrence": {"cron": "@daily"}, "range": {"kind": "never"}}
    errors = api.post("/schedules", json=body).json()["errors"]
    assert {each["pointer"] for each in errors} == {"/name", "/recurrence/cron", "/range/kind"}


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
def test_a_body_that_is_no_strict_json_is_refused(
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
def test_a_wrong_change_is_refused_and_changes_nothing(
    api: httpx.Client, make: Maker, body: Any, pointer: str
) -> None:
    made = make()
    answer = api.patch(f"/schedules/{made['id']}", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert api.get(f"/schedules/{made['id']}").json() == made


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/run"), ("GET", "/runs"), ("GET", "/deliveries")],
)
@pytest.mark.parametrize("schedule_id", [UNKNOWN, "7", "x" * 5000, "..%2f.."])
def test_an_unknown_id_is_404_everywhere(api: httpx.Client, method: str, path: str, schedule_id: str) -> None:
    body = {"json": {"enabled": False}} if method == "PATCH" else {}
    answer = api.request(method, f"/schedules/{schedule_id}{path}", **body)
    assert (answer.status_code, answer.json()["data"]) == (404, None)


def test_deployments_that_are_no_recurring_exports_are_unknown(
    api: httpx.Client, prefect: httpx.Client
) -> None:
    for name in ("export-report/export", "sweep-files/sweep"):
        found = prefect.get(f"/deployments/name/{name}").raise_for_status().json()["id"]
        assert api.get(f"/schedules/{found}").status_code == 404
        assert found not in ids(api.get("/schedules", params={"limit": 100}))


def test_another_callers_is_unknown_and_not_in_the_list(
    api: httpx.Client, make: Maker, prefect: httpx.Client
) -> None:
    made = make()
    found = deployment(prefect, made["id"])
    tags = ["owner:somebody-else", f"schedule:{made['id']}"]
    prefect.patch(f"/deployments/{found['id']}", json={"tags": tags}).raise_for_status()
    try:
        assert api.get(f"/schedules/{made['id']}").status_code == 404
        assert api.get(f"/schedules/{found['id']}").status_code == 404
        assert api.post(f"/schedules/{made['id']}/run").status_code == 404
        assert made["id"] not in ids(api.get("/schedules", params={"limit": 100}))
    finally:
        prefect.delete(f"/deployments/{found['id']}")


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
def test_a_wrong_query_of_the_list_is_refused(api: httpx.Client, query: str, pointer: str) -> None:
    answer = api.get(f"/schedules?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
