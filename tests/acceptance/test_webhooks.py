"""Test that schedules send webhooks and are paused after repeated failures."""

import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.support import flow_runs
from tests.support.export_client import EMPTY_SURVEY
from tests.support.schedules import deployment_of
from tests.support.webhook_receiver import HANG, HOST, Receiver

TIMEOUT_SECONDS = 60
DAILY: dict[str, Any] = {
    "name": "Yesterday's attendees",
    "recurrence": {"every": "P1D"},
    "range": {"kind": "relative", "preset": "yesterday"},
    "export": {"surveyId": EMPTY_SURVEY},
}
Create = Callable[..., dict[str, Any]]


def post(api: httpx.Client, path: str, body: object = None) -> httpx.Response:
    """Send a POST request with an idempotency key and retry it while the status is 503."""
    key, deadline = {"Idempotency-Key": secrets.token_hex(8)}, time.monotonic() + TIMEOUT_SECONDS
    while (answer := api.post(path, json=body, headers=key)).status_code == 503:
        assert time.monotonic() < deadline, answer.text
        time.sleep(1)
    return answer


@pytest.fixture(scope="module")
def create(api: httpx.Client) -> Iterator[Create]:
    ids: list[str] = []

    def create(*notify: dict[str, Any], **changes: Any) -> dict[str, Any]:
        answer = post(api, "/schedules", DAILY | {"notify": list(notify)} | changes)
        assert answer.status_code in (200, 201), answer.text
        ids.append(answer.json()["id"])
        return dict(answer.json())

    yield create
    for schedule_id in ids:
        api.delete(f"/schedules/{schedule_id}")


@pytest.fixture(scope="module")
def secret(api: httpx.Client) -> str:
    answer = api.get("/webhook-secret").raise_for_status()
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["secret"])


def hook(url: str, *on: str) -> dict[str, Any]:
    return {"kind": "webhook", "url": url} | ({"on": list(on)} if on else {})


def random_path() -> str:
    return f"/{secrets.token_hex(8)}"


def run_now(api: httpx.Client, schedule_id: str) -> str:
    return str(post(api, f"/schedules/{schedule_id}/run").raise_for_status().json()["id"])


def wait_for_deliveries(api: httpx.Client, schedule_id: str, count: int) -> list[dict[str, Any]]:
    """Wait until the delivery log contains `count` finished entries, and return them."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        entries = api.get(f"/schedules/{schedule_id}/deliveries").raise_for_status().json()["items"]
        if len(entries) == count and all(entry["status"] in ("delivered", "failed") for entry in entries):
            return list(entries)
        assert time.monotonic() < deadline, entries
        time.sleep(0.1)


@pytest.fixture(scope="module")
def abandoned_delivery(prefect: httpx.Client, create: Create, receiver: Receiver) -> str:
    """Create a delivery that a worker has claimed but never started, and return the path of its URL."""
    path = random_path()
    schedule = create(hook(receiver.url(path)))
    sealed = deployment_of(prefect, schedule["id"])["parameters"]["recurring"]["notify"][0]
    delivery = prefect.get("/deployments/name/deliver-webhook/webhook").raise_for_status().json()["id"]
    body = {
        "state": {"type": "PENDING"},
        "parameters": {
            "message": {"type": "export.done", "data": {}},
            "address": {name: sealed[name] for name in ("host", "sealed")},
            "caller": "local",
        },
        "tags": ["webhook"],
    }
    prefect.post(f"/deployments/{delivery}/create_flow_run", json=body).raise_for_status()
    return path


@pytest.fixture(scope="module")
def sent(api: httpx.Client, create: Create, receiver: Receiver, abandoned_delivery: str) -> dict[str, Any]:
    """Send webhooks to receivers that respond in different ways, and return the delivery logs."""
    paths = {name: random_path() for name in ("once", "twice", "redirects", "gone", "hangs", "errors only")}
    statuses = {"twice": [500, 200], "redirects": [302], "gone": [410], "hangs": [HANG, 204]}
    on = {"errors only": ["error"]}
    result: dict[str, Any] = {"paths": paths, "logs": {}, "jobs": {}, "schedules": {}}
    for name, path in paths.items():
        url = receiver.url(f"{path}?token=hush-{path[1:]}", *statuses.get(name, [204]))
        schedule = create(hook(url, *on.get(name, [])))
        result["schedules"][name] = schedule
        result["jobs"][name] = run_now(api, schedule["id"])
    for name, schedule in result["schedules"].items():
        result["logs"][name] = wait_for_deliveries(api, schedule["id"], 0 if name in on else 1)
    return result


def requests_for(receiver: Receiver, sent: dict[str, Any], name: str) -> list[Any]:
    return receiver.requests_to(sent["paths"][name])


def test_a_done_export_sends_one_signed_webhook(
    api: httpx.Client, receiver: Receiver, sent: dict[str, Any], secret: str
) -> None:
    (received,) = requests_for(receiver, sent, "once")
    message = received.verify(secret)
    job = api.get(f"/exports/{sent['jobs']['once']}").raise_for_status().json()
    assert (message["type"], message["data"]["id"]) == ("export.done", job["id"])
    assert message["data"]["scheduleId"] == sent["schedules"]["once"]["id"]
    receipt = {name: message["data"][name] for name in ("rows", "bytes", "sha256")}
    assert receipt == {name: job["file"][name] for name in receipt}
    assert message["data"]["links"]["download"] == job["links"]["download"]
    assert "X-Amz-Signature" not in received.body.decode()
    assert received.headers["content-type"] == "application/json"


def test_the_delivery_log_shows_event_host_attempts_and_response(
    sent: dict[str, Any], receiver: Receiver
) -> None:
    (entry,) = sent["logs"]["once"]
    fields = {
        name: entry[name] for name in ("event", "exportId", "host", "status", "attempt", "responseStatus")
    }
    assert fields == {
        "event": "export.done",
        "exportId": sent["jobs"]["once"],
        "host": f"{HOST}:{receiver.port}",
        "status": "delivered",
        "attempt": 1,
        "responseStatus": 204,
    }
    assert entry["createdAt"] <= entry["lastAttemptAt"]
    assert (entry["error"], entry["nextAttemptAt"]) == (None, None)


def test_a_failed_delivery_is_retried_with_the_same_id(
    receiver: Receiver, sent: dict[str, Any], secret: str
) -> None:
    first, second = requests_for(receiver, sent, "twice")
    assert first.id == second.id == sent["logs"]["twice"][0]["id"]
    assert first.verify(secret) == second.verify(secret)
    assert (sent["logs"]["twice"][0]["attempt"], sent["logs"]["twice"][0]["responseStatus"]) == (2, 200)


def test_a_redirect_is_not_followed_and_the_delivery_fails_after_the_last_attempt(
    receiver: Receiver, sent: dict[str, Any]
) -> None:
    (entry,) = sent["logs"]["redirects"]
    assert len(requests_for(receiver, sent, "redirects")) == entry["attempt"] == 3
    assert receiver.requests_to("/elsewhere") == []
    assert (entry["status"], entry["responseStatus"]) == ("failed", 302)
    assert entry["error"] == {"code": "webhook.refused", "message": "The receiver answered 302."}


def test_a_410_ends_the_delivery(receiver: Receiver, sent: dict[str, Any]) -> None:
    (entry,) = sent["logs"]["gone"]
    assert len(requests_for(receiver, sent, "gone")) == 1
    assert (entry["status"], entry["error"]["code"]) == ("failed", "webhook.gone")


def test_a_hanging_receiver_is_retried(receiver: Receiver, sent: dict[str, Any]) -> None:
    assert len(requests_for(receiver, sent, "hangs")) == 2
    assert (sent["logs"]["hangs"][0]["attempt"], sent["logs"]["hangs"][0]["status"]) == (2, "delivered")


def test_a_channel_for_errors_receives_only_errors(receiver: Receiver, sent: dict[str, Any]) -> None:
    assert requests_for(receiver, sent, "errors only") == []


def test_a_repeated_follow_up_sends_no_second_webhook(
    prefect: httpx.Client, receiver: Receiver, sent: dict[str, Any]
) -> None:
    """Restore the follow-up tag, as if the process had crashed before removing it."""
    job_id = sent["jobs"]["once"]
    tags = flow_runs.read(prefect, job_id)["tags"]
    assert "follow-up" not in tags
    prefect.patch(f"/flow_runs/{job_id}", json={"tags": [*tags, "follow-up"]}).raise_for_status()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while "follow-up" in flow_runs.read(prefect, job_id)["tags"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(requests_for(receiver, sent, "once")) == 1


def test_the_schedule_shows_the_whole_url_and_the_list_only_the_host(
    api: httpx.Client, receiver: Receiver, sent: dict[str, Any]
) -> None:
    schedule = sent["schedules"]["once"]
    read = api.get(f"/schedules/{schedule['id']}").json()
    assert read["notify"] == schedule["notify"]
    assert read["notify"][0]["url"].endswith(f"?token=hush-{sent['paths']['once'][1:]}")
    listed = api.get("/schedules", params={"limit": 100}).json()["items"]
    assert [item["notify"][0]["url"] for item in listed if item["id"] == schedule["id"]] == [
        f"https://{HOST}:{receiver.port}/…"
    ]


def test_changing_other_fields_keeps_the_urls(api: httpx.Client, sent: dict[str, Any]) -> None:
    schedule = sent["schedules"]["once"]
    for change in ({"name": "Another"}, {"onlyIfRows": True}):
        changed = api.patch(f"/schedules/{schedule['id']}", json=change).raise_for_status().json()
        assert changed["notify"] == schedule["notify"]
    assert api.patch(f"/schedules/{schedule['id']}", json={"notify": []}).json()["notify"] == []


def test_a_run_cancelled_before_its_start_sends_a_webhook(
    api: httpx.Client, prefect: httpx.Client, create: Create, receiver: Receiver, secret: str
) -> None:
    """No process was ever started for the run, so a worker must send the webhook."""
    path = random_path()
    schedule = create(hook(receiver.url(path), "cancelled"))
    deployment = deployment_of(prefect, schedule["id"])
    job_id = flow_runs.start(prefect, deployment["id"], deployment["parameters"], in_seconds=3600)
    assert api.post(f"/exports/{job_id}/cancel").status_code == 202
    (received,) = receiver.wait_for(path)
    message = received.verify(secret)
    assert (message["type"], message["data"]["id"]) == ("export.cancelled", job_id)
    assert message["data"]["error"]["code"] == "cancelled"


def fail_until_paused(api: httpx.Client, prefect: httpx.Client, schedule_id: str) -> dict[str, Any]:
    """Break the schedule's report, and let Prefect run the schedule every two seconds until it is paused."""
    deployment = deployment_of(prefect, schedule_id)
    url, slots = f"/deployments/{deployment['id']}", f"/schedules/{deployment['schedules'][0]['id']}"
    broken = {**deployment["parameters"], "request": {"report": "gone"}}
    prefect.patch(url, json={"parameters": broken}).raise_for_status()
    rule = f"DTSTART:{datetime.now(UTC):%Y%m%dT%H%M%S}\nRRULE:FREQ=SECONDLY;INTERVAL=2"
    every_other_second = {"rrule": rule, "timezone": "UTC"}
    prefect.patch(url + slots, json={"schedule": every_other_second}).raise_for_status()
    prefect.post(f"{url}/schedule", json={}).raise_for_status()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (state := api.get(f"/schedules/{schedule_id}").raise_for_status().json())["enabled"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    return dict(state)


@pytest.fixture(scope="module")
def paused(api: httpx.Client, prefect: httpx.Client, create: Create, receiver: Receiver) -> dict[str, Any]:
    path = random_path()
    created = create(hook(receiver.url(path)))
    return {"path": path, "created": created, "state": fail_until_paused(api, prefect, created["id"])}


def test_three_failed_runs_in_a_row_pause_the_schedule_with_a_reason(
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


def test_the_failures_and_the_pause_send_webhooks(
    receiver: Receiver, paused: dict[str, Any], secret: str
) -> None:
    messages = receiver.wait_for_type(paused["path"], secret, "schedule.paused")
    (pause,) = [message for message in messages if message["type"] == "schedule.paused"]
    errors = {message["data"]["id"] for message in messages if message["type"] == "export.error"}
    assert len(errors) >= 3
    assert pause["data"]["exportId"] in errors
    assert pause["data"]["id"] == paused["state"]["id"]
    assert pause["data"]["failures"] >= 3


def test_renaming_a_paused_schedule_leaves_it_paused(api: httpx.Client, paused: dict[str, Any]) -> None:
    path = f"/schedules/{paused['state']['id']}"
    # Read the schedule again, because a later failed run may have changed its `pausedReason`.
    reason = api.get(path).raise_for_status().json()["pausedReason"]
    renamed = api.patch(path, json={"name": "Still paused"}).raise_for_status().json()
    assert (renamed["enabled"], renamed["pausedReason"]) == (False, reason)
    assert reason is not None


def test_resuming_restarts_the_count_of_failures(
    api: httpx.Client, prefect: httpx.Client, paused: dict[str, Any]
) -> None:
    schedule_id = paused["state"]["id"]
    path, failed = f"/schedules/{schedule_id}", {"scheduleId": schedule_id, "status": "error", "limit": 100}
    before = len(api.get("/exports", params=failed).raise_for_status().json()["items"])
    repaired = {"enabled": True, "export": DAILY["export"], "recurrence": DAILY["recurrence"]}
    resumed = api.patch(path, json=repaired).raise_for_status().json()
    assert (resumed["enabled"], resumed["pausedReason"]) == (True, None)
    assert resumed["notify"] == paused["created"]["notify"]
    again = fail_until_paused(api, prefect, schedule_id)["pausedReason"]
    after = len(api.get("/exports", params=failed).raise_for_status().json()["items"])
    assert 3 <= again["failures"] <= after - before


INVALID_URLS = [
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


@pytest.mark.parametrize("url", INVALID_URLS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_invalid_url_is_refused_with_a_pointer_and_a_sentence(
    api: httpx.Client, sent: dict[str, Any], url: object, method: str
) -> None:
    notify = [hook("https://hooks.example.com/"), {"kind": "webhook", "url": url}]
    if method == "POST":
        answer = api.post("/schedules", json=DAILY | {"notify": notify})
    else:
        answer = api.patch(f"/schedules/{sent['schedules']['gone']['id']}", json={"notify": notify})
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    code = "missing" if url is None else "address"
    assert (error["pointer"], error["code"], error["detail"][-1]) == ("/notify/1/url", code, ".")


def test_a_url_that_cannot_be_decrypted_fails_the_delivery(
    api: httpx.Client, prefect: httpx.Client, create: Create
) -> None:
    """Corrupt the encrypted URL, as if the old secret had been removed too early."""
    schedule = create(hook("https://no-such-receiver.example.com/"))
    deployment = deployment_of(prefect, schedule["id"])
    parameters = deployment["parameters"]
    (sealed,) = parameters["recurring"]["notify"]
    assert set(sealed) == {"kind", "host", "sealed", "on"}
    assert sealed["host"] == "no-such-receiver.example.com"
    parameters["recurring"]["notify"] = [sealed | {"sealed": "of another secret"}]
    prefect.patch(f"/deployments/{deployment['id']}", json={"parameters": parameters}).raise_for_status()
    assert api.get(f"/schedules/{schedule['id']}").json()["notify"][0]["url"] == f"https://{sealed['host']}/…"
    run_now(api, schedule["id"])
    (entry,) = wait_for_deliveries(api, schedule["id"], 1)
    assert (entry["status"], entry["error"]["code"]) == ("failed", "webhook.secret")


@pytest.mark.parametrize(
    ("query", "pointer"), [("limit=0", "/limit"), ("cursor=%25", "/cursor"), ("x=1", "/x")]
)
def test_an_invalid_query_of_the_log_is_refused(
    api: httpx.Client, sent: dict[str, Any], query: str, pointer: str
) -> None:
    answer = api.get(f"/schedules/{sent['schedules']['once']['id']}/deliveries?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_an_abandoned_delivery_is_taken_over_by_another_worker(
    receiver: Receiver, abandoned_delivery: str, secret: str
) -> None:
    (received,) = receiver.wait_for(abandoned_delivery)
    assert received.verify(secret)["type"] == "export.done"
