"""Notices of recurring exports, from the real Prefect to a real receiver; one that only fails is paused."""

import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.support import flow_runs
from tests.support.export_client import EMPTY_SURVEY
from tests.support.webhook_receiver import HANG, HOST, Receiver

WITHIN_SECONDS = 60
DAILY: dict[str, Any] = {
    "name": "Yesterday's attendees",
    "recurrence": {"every": "P1D"},
    "range": {"kind": "relative", "preset": "yesterday"},
    "export": {"surveyId": EMPTY_SURVEY},
}
Make = Callable[..., dict[str, Any]]


def posted(api: httpx.Client, to: str, body: object = None) -> httpx.Response:
    """As a patient client does it: under one key, and again when Prefect was too busy to answer."""
    key, limit = {"Idempotency-Key": secrets.token_hex(8)}, time.monotonic() + WITHIN_SECONDS
    while (answer := api.post(to, json=body, headers=key)).status_code == 503:
        assert time.monotonic() < limit, answer.text
        time.sleep(1)
    return answer


@pytest.fixture(scope="module")
def make(api: httpx.Client) -> Iterator[Make]:
    made: list[str] = []

    def make(*notify: dict[str, Any], **changes: Any) -> dict[str, Any]:
        answer = posted(api, "/schedules", DAILY | {"notify": list(notify)} | changes)
        assert answer.status_code in (200, 201), answer.text
        made.append(answer.json()["id"])
        return dict(answer.json())

    yield make
    for schedule_id in made:
        api.delete(f"/schedules/{schedule_id}")


@pytest.fixture(scope="module")
def secret(api: httpx.Client) -> str:
    answer = api.get("/webhook-secret").raise_for_status()
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["secret"])


def hook(url: str, *on: str) -> dict[str, Any]:
    return {"kind": "webhook", "url": url} | ({"on": list(on)} if on else {})


def path() -> str:
    return f"/{secrets.token_hex(8)}"


def deployment_of(prefect: httpx.Client, schedule_id: str) -> dict[str, Any]:
    found = prefect.get(f"/deployments/name/export-report/recurring-{schedule_id}")
    return dict(found.raise_for_status().json())


def run_now(api: httpx.Client, schedule_id: str) -> str:
    return str(posted(api, f"/schedules/{schedule_id}/run").raise_for_status().json()["id"])


def deliveries(api: httpx.Client, schedule_id: str, ended: int) -> list[dict[str, Any]]:
    """Once so many have been delivered or given up."""
    limit = time.monotonic() + WITHIN_SECONDS
    while True:
        found = api.get(f"/schedules/{schedule_id}/deliveries").raise_for_status().json()["items"]
        if len(found) == ended and all(each["status"] in ("delivered", "failed") for each in found):
            return list(found)
        assert time.monotonic() < limit, found
        time.sleep(0.1)


@pytest.fixture(scope="module")
def left_behind(prefect: httpx.Client, make: Make, receiver: Receiver) -> str:
    """The path of a delivery that some worker has claimed and never begun."""
    at = path()
    kept = deployment_of(prefect, make(hook(receiver.url(at)))["id"])["parameters"]["recurring"]["notify"][0]
    delivery = prefect.get("/deployments/name/deliver-webhook/webhook").raise_for_status().json()["id"]
    body = {
        "state": {"type": "PENDING"},
        "parameters": {
            "message": {"type": "export.done", "data": {}},
            "address": {name: kept[name] for name in ("host", "sealed")},
            "caller": "local",
        },
        "tags": ["webhook"],
    }
    prefect.post(f"/deployments/{delivery}/create_flow_run", json=body).raise_for_status()
    return at


@pytest.fixture(scope="module")
def sent(api: httpx.Client, make: Make, receiver: Receiver, left_behind: str) -> dict[str, Any]:
    """What receivers of many tempers got of one export, and what the log says of it: all at the same time."""
    paths = {name: path() for name in ("once", "twice", "moved", "gone", "hangs", "wants errors only")}
    answers = {"twice": [500, 200], "moved": [302], "gone": [410], "hangs": [HANG, 204]}
    on = {"wants errors only": ["error"]}
    found: dict[str, Any] = {"paths": paths, "logs": {}, "jobs": {}, "schedules": {}}
    for name, at in paths.items():
        url = receiver.url(f"{at}?token=hush-{at[1:]}", *answers.get(name, [204]))
        made = make(hook(url, *on.get(name, [])))
        found["schedules"][name] = made
        found["jobs"][name] = run_now(api, made["id"])
    for name, made in found["schedules"].items():
        found["logs"][name] = deliveries(api, made["id"], 0 if name in on else 1)
    return found


def got(receiver: Receiver, sent: dict[str, Any], name: str) -> list[Any]:
    return receiver.requests_to(sent["paths"][name])


def test_a_done_export_is_told_once_and_verifies(
    api: httpx.Client, receiver: Receiver, sent: dict[str, Any], secret: str
) -> None:
    (received,) = got(receiver, sent, "once")
    message = received.verify(secret)
    job = api.get(f"/exports/{sent['jobs']['once']}").raise_for_status().json()
    assert (message["type"], message["data"]["id"]) == ("export.done", job["id"])
    assert message["data"]["scheduleId"] == sent["schedules"]["once"]["id"]
    told = {name: message["data"][name] for name in ("rows", "bytes", "sha256")}
    assert told == {name: job["file"][name] for name in told}
    assert message["data"]["links"]["download"] == job["links"]["download"]
    assert "X-Amz-Signature" not in received.body.decode()
    assert received.headers["content-type"] == "application/json"


def test_the_log_tells_when_where_to_how_often_and_what_was_answered(
    sent: dict[str, Any], receiver: Receiver
) -> None:
    (entry,) = sent["logs"]["once"]
    shown = {
        name: entry[name] for name in ("event", "exportId", "host", "status", "attempt", "responseStatus")
    }
    assert shown == {
        "event": "export.done",
        "exportId": sent["jobs"]["once"],
        "host": f"{HOST}:{receiver.port}",
        "status": "delivered",
        "attempt": 1,
        "responseStatus": 204,
    }
    assert entry["createdAt"] <= entry["lastAttemptAt"]
    assert (entry["error"], entry["nextAttemptAt"]) == (None, None)


def test_after_an_error_it_comes_again_under_the_same_id(
    receiver: Receiver, sent: dict[str, Any], secret: str
) -> None:
    first, second = got(receiver, sent, "twice")
    assert first.id == second.id == sent["logs"]["twice"][0]["id"]
    assert first.verify(secret) == second.verify(secret)
    assert (sent["logs"]["twice"][0]["attempt"], sent["logs"]["twice"][0]["responseStatus"]) == (2, 200)


def test_a_redirect_is_not_followed_and_after_the_last_attempt_the_delivery_has_failed(
    receiver: Receiver, sent: dict[str, Any]
) -> None:
    (entry,) = sent["logs"]["moved"]
    assert len(got(receiver, sent, "moved")) == entry["attempt"] == 3
    assert receiver.requests_to("/elsewhere") == []
    assert (entry["status"], entry["responseStatus"]) == ("failed", 302)
    assert entry["error"] == {"code": "webhook.refused", "message": "The receiver answered 302."}


def test_a_receiver_that_is_gone_is_not_asked_again(receiver: Receiver, sent: dict[str, Any]) -> None:
    (entry,) = sent["logs"]["gone"]
    assert len(got(receiver, sent, "gone")) == 1
    assert (entry["status"], entry["error"]["code"]) == ("failed", "webhook.gone")


def test_a_receiver_that_hangs_is_asked_again(receiver: Receiver, sent: dict[str, Any]) -> None:
    assert len(got(receiver, sent, "hangs")) == 2
    assert (sent["logs"]["hangs"][0]["attempt"], sent["logs"]["hangs"][0]["status"]) == (2, "delivered")


def test_who_wants_errors_only_hears_of_nothing_else(receiver: Receiver, sent: dict[str, Any]) -> None:
    assert got(receiver, sent, "wants errors only") == []


def test_a_run_that_is_followed_up_again_is_told_once(
    prefect: httpx.Client, receiver: Receiver, sent: dict[str, Any]
) -> None:
    """As by a process that died before it could say that all had been done."""
    job_id = sent["jobs"]["once"]
    tags = flow_runs.read(prefect, job_id)["tags"]
    assert "follow-up" not in tags
    prefect.patch(f"/flow_runs/{job_id}", json={"tags": [*tags, "follow-up"]}).raise_for_status()
    limit = time.monotonic() + WITHIN_SECONDS
    while "follow-up" in flow_runs.read(prefect, job_id)["tags"]:
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert len(got(receiver, sent, "once")) == 1


def test_the_owner_sees_the_whole_address_and_a_list_the_host_only(
    api: httpx.Client, receiver: Receiver, sent: dict[str, Any]
) -> None:
    made = sent["schedules"]["once"]
    read = api.get(f"/schedules/{made['id']}").json()
    assert read["notify"] == made["notify"]
    assert read["notify"][0]["url"].endswith(f"?token=hush-{sent['paths']['once'][1:]}")
    listed = api.get("/schedules", params={"limit": 100}).json()["items"]
    assert [each["notify"][0]["url"] for each in listed if each["id"] == made["id"]] == [
        f"https://{HOST}:{receiver.port}/…"
    ]


def test_a_change_of_something_else_keeps_the_addresses(api: httpx.Client, sent: dict[str, Any]) -> None:
    made = sent["schedules"]["once"]
    for change in ({"name": "Another"}, {"onlyIfRows": True}):
        changed = api.patch(f"/schedules/{made['id']}", json=change).raise_for_status().json()
        assert changed["notify"] == made["notify"]
    assert api.patch(f"/schedules/{made['id']}", json={"notify": []}).json()["notify"] == []


def test_a_run_that_was_cancelled_before_it_began_is_told_too(
    api: httpx.Client, prefect: httpx.Client, make: Make, receiver: Receiver, secret: str
) -> None:
    """No process of its own could have said so."""
    at = path()
    made = make(hook(receiver.url(at), "cancelled"))
    found = deployment_of(prefect, made["id"])
    job_id = flow_runs.start(prefect, found["id"], found["parameters"], in_seconds=3600)
    assert api.post(f"/exports/{job_id}/cancel").status_code == 202
    (received,) = receiver.wait_for(at)
    message = received.verify(secret)
    assert (message["type"], message["data"]["id"]) == ("export.cancelled", job_id)
    assert message["data"]["error"]["code"] == "cancelled"


def paused_by_failures(api: httpx.Client, prefect: httpx.Client, schedule_id: str) -> dict[str, Any]:
    """Its report is gone, and its slots come every two seconds: Prefect plans the runs, nobody else."""
    found = deployment_of(prefect, schedule_id)
    here, slots = f"/deployments/{found['id']}", f"/schedules/{found['schedules'][0]['id']}"
    broken = {**found["parameters"], "request": {"report": "gone"}}
    prefect.patch(here, json={"parameters": broken}).raise_for_status()
    rule = f"DTSTART:{datetime.now(UTC):%Y%m%dT%H%M%S}\nRRULE:FREQ=SECONDLY;INTERVAL=2"
    every_other_second = {"rrule": rule, "timezone": "UTC"}
    prefect.patch(here + slots, json={"schedule": every_other_second}).raise_for_status()
    prefect.post(f"{here}/schedule", json={}).raise_for_status()
    limit = time.monotonic() + WITHIN_SECONDS
    while (state := api.get(f"/schedules/{schedule_id}").raise_for_status().json())["enabled"]:
        assert time.monotonic() < limit, state
        time.sleep(0.2)
    return dict(state)


@pytest.fixture(scope="module")
def paused(api: httpx.Client, prefect: httpx.Client, make: Make, receiver: Receiver) -> dict[str, Any]:
    at = path()
    made = make(hook(receiver.url(at)))
    return {"path": at, "made": made, "state": paused_by_failures(api, prefect, made["id"])}


def test_three_planned_runs_that_fail_in_a_row_pause_it_and_it_says_why(
    api: httpx.Client, prefect: httpx.Client, paused: dict[str, Any]
) -> None:
    state = paused["state"]
    reason = state["pausedReason"]
    assert (reason["code"], reason["failures"] >= 3, state["nextRuns"]) == ("failures", True, [])
    failed = api.get(f"/exports/{reason['exportId']}").raise_for_status().json()
    assert failed["status"] == "error"
    assert reason["error"] == {name: failed["error"][name] for name in ("code", "message")}
    assert reason["error"]["code"] == "request.invalid"
    (schedule,) = deployment_of(prefect, state["id"])["schedules"]
    assert schedule["active"] is False


def test_the_failures_and_the_pause_are_told(receiver: Receiver, paused: dict[str, Any], secret: str) -> None:
    told = [each.verify(secret) for each in receiver.wait_for(paused["path"], 4)]
    (pause,) = [each for each in told if each["type"] == "schedule.paused"]
    errors = {each["data"]["id"] for each in told if each["type"] == "export.error"}
    assert len(errors) >= 3
    assert pause["data"]["exportId"] in errors
    assert pause["data"]["id"] == paused["state"]["id"]
    assert pause["data"]["failures"] >= 3


def test_a_change_of_its_name_leaves_it_paused(api: httpx.Client, paused: dict[str, Any]) -> None:
    here = f"/schedules/{paused['state']['id']}"
    # Of runs that fail at the same moment the last one is named: it is read again.
    reason = api.get(here).raise_for_status().json()["pausedReason"]
    renamed = api.patch(here, json={"name": "Still paused"}).raise_for_status().json()
    assert (renamed["enabled"], renamed["pausedReason"]) == (False, reason)
    assert reason is not None


def test_whoever_resumes_it_lets_the_count_begin_anew(
    api: httpx.Client, prefect: httpx.Client, paused: dict[str, Any]
) -> None:
    schedule_id = paused["state"]["id"]
    here, failed = f"/schedules/{schedule_id}", {"scheduleId": schedule_id, "status": "error", "limit": 100}
    before = len(api.get("/exports", params=failed).raise_for_status().json()["items"])
    mended = {"enabled": True, "export": DAILY["export"], "recurrence": DAILY["recurrence"]}
    resumed = api.patch(here, json=mended).raise_for_status().json()
    assert (resumed["enabled"], resumed["pausedReason"]) == (True, None)
    assert resumed["notify"] == paused["made"]["notify"]
    again = paused_by_failures(api, prefect, schedule_id)["pausedReason"]
    after = len(api.get("/exports", params=failed).raise_for_status().json()["items"])
    assert 3 <= again["failures"] <= after - before


BAD_ADDRESSES = [
    "http://hooks.example.com/",
    "https://127.0.0.1/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://[::ffff:127.0.0.1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://localhost/",
    "https://hooks.local/",
    "https://user:word@hooks.example.com/",
    "https://hooks.example.com:8443/",
    "https://hooks.example.com/" + "x" * 2000,
    "nonsense",
    "",
    None,
    7,
]


@pytest.mark.parametrize("url", BAD_ADDRESSES)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_bad_address_is_refused_at_its_place_with_a_sentence(
    api: httpx.Client, sent: dict[str, Any], url: object, method: str
) -> None:
    notify = [hook("https://hooks.example.com/"), {"kind": "webhook", "url": url}]
    if method == "POST":
        answer = api.post("/schedules", json=DAILY | {"notify": notify})
    else:
        answer = api.patch(f"/schedules/{sent['schedules']['gone']['id']}", json={"notify": notify})
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"], error["detail"][-1]) == ("/notify/1/url", "address", ".")


def test_where_the_address_cannot_be_unsealed_the_delivery_says_so(
    api: httpx.Client, prefect: httpx.Client, make: Make
) -> None:
    """As after a change of secrets that has dropped the old one too early."""
    made = make(hook("https://no-such-receiver.example.com/"))
    found = deployment_of(prefect, made["id"])
    parameters = found["parameters"]
    (sealed,) = parameters["recurring"]["notify"]
    assert set(sealed) == {"kind", "host", "sealed", "on"}
    assert sealed["host"] == "no-such-receiver.example.com"
    parameters["recurring"]["notify"] = [sealed | {"sealed": "of another secret"}]
    prefect.patch(f"/deployments/{found['id']}", json={"parameters": parameters}).raise_for_status()
    assert api.get(f"/schedules/{made['id']}").json()["notify"][0]["url"] == f"https://{sealed['host']}/…"
    run_now(api, made["id"])
    (entry,) = deliveries(api, made["id"], 1)
    assert (entry["status"], entry["error"]["code"]) == ("failed", "webhook.secret")


@pytest.mark.parametrize(
    ("query", "pointer"), [("limit=0", "/limit"), ("cursor=%25", "/cursor"), ("x=1", "/x")]
)
def test_a_wrong_query_of_the_log_is_refused(
    api: httpx.Client, sent: dict[str, Any], query: str, pointer: str
) -> None:
    answer = api.get(f"/schedules/{sent['schedules']['once']['id']}/deliveries?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_delivery_whose_worker_was_lost_is_made_by_another(
    receiver: Receiver, left_behind: str, secret: str
) -> None:
    """It has waited for that since the first of these tests."""
    (received,) = receiver.wait_for(left_behind)
    assert received.verify(secret)["type"] == "export.done"
