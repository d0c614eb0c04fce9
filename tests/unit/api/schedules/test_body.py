"""Test the validation of a schedule's body. tests/acceptance/test_schedules.py covers more invalid bodies."""

from dataclasses import replace

import pytest

from api.routes import examples
from api.schedules.body import parse_schedule, rename_or_pause
from api.schedules.notify import Webhooks
from flows.errors import InvalidRequest
from flows.reports import catalog
from flows.webhooks.signing_keys import WebhookSecrets
from tests.support.clock import NOON

EXAMPLES = {name: example["value"] for name, example in examples.SCHEDULES.items()}
REPORTS = catalog(("flows.samples",))
HERE = Webhooks(WebhookSecrets(["a secret of the operator's"]))


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_documented_example_is_valid_and_returned_as_written(name: str) -> None:
    spec, request = parse_schedule(EXAMPLES[name], REPORTS, NOON, HERE)
    body = spec.as_body()
    assert body["export"] == EXAMPLES[name]["export"]
    assert parse_schedule(body, REPORTS, NOON, HERE)[0] == replace(spec, notify=())
    assert len(spec.notify) == len(EXAMPLES[name].get("notify", []))
    assert request.report.name == spec.report


def test_the_dates_of_a_run_are_in_the_zone_of_the_recurrence() -> None:
    _, request = parse_schedule(EXAMPLES["weekly"], REPORTS, NOON, HERE)
    assert request.zone.key == "Europe/Madrid"
    assert request.period is not None
    assert (request.body["from"], request.body["to"]) == ("2024-07-08", "2024-07-14")


def test_only_a_preview_needs_no_name() -> None:
    body = {name: value for name, value in EXAMPLES["weekly"].items() if name != "name"}
    assert parse_schedule(body, REPORTS, NOON, HERE, needs_name=False)[0].name == ""
    with pytest.raises(InvalidRequest):
        parse_schedule(body, REPORTS, NOON, HERE)


def test_a_range_that_is_too_long_for_the_report_is_reported_at_the_range() -> None:
    body = {**EXAMPLES["weekly"], "range": {"kind": "absolute", "from": "2020-01-01", "to": "2024-01-01"}}
    with pytest.raises(InvalidRequest) as raised:
        parse_schedule(body, REPORTS, NOON, HERE)
    assert [error.pointer for error in raised.value.errors] == ["/range"]


def test_all_errors_are_reported_at_once() -> None:
    body = {
        "enabled": "yes",
        "recurrence": {"cron": "@reboot", "timeZone": "Mars/Olympus"},
        "export": {"surveyId": "x", "from": "2024-01-01", "sort": "nothing", "filters": {"colour": 1}},
        "range": {"kind": "relative", "preset": "last-8-days"},
        "notify": [{"kind": "mail", "url": "http://example.com"}],
        "colour": "red",
    }
    with pytest.raises(InvalidRequest) as raised:
        parse_schedule(body, REPORTS, NOON, HERE)
    assert {(error.pointer, error.code) for error in raised.value.errors} == {
        ("/name", "missing"),
        ("/enabled", "type"),
        ("/recurrence/timeZone", "invalid"),
        ("/recurrence/cron", "invalid"),
        ("/export/surveyId", "format"),
        ("/export/from", "unknown"),
        ("/export/sort", "invalid"),
        ("/export/filters/colour", "unknown"),
        ("/range/preset", "invalid"),
        ("/notify/0/kind", "invalid"),
        ("/notify/0/url", "address"),
        ("/colour", "unknown"),
    }


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ([], ""),
        ({"name": ""}, "/name"),
        ({"enabled": 1}, "/enabled"),
        ({"name": "x", "enabled": []}, "/enabled"),
    ],
)
def test_an_invalid_name_or_pause_is_rejected(change: object, pointer: str) -> None:
    spec, _ = parse_schedule(EXAMPLES["weekly"], REPORTS, NOON, HERE)
    with pytest.raises(InvalidRequest) as raised:
        rename_or_pause(spec, change)
    assert [error.pointer for error in raised.value.errors] == [pointer]


def test_a_name_or_pause_changes_nothing_else() -> None:
    spec, _ = parse_schedule(EXAMPLES["weekly"], REPORTS, NOON, HERE)
    assert rename_or_pause(spec, {"enabled": False}) == replace(spec, enabled=False)
    assert rename_or_pause(spec, {"name": "Other"}) == replace(spec, name="Other")
    assert rename_or_pause(spec, {}) == spec
