"""The body of a recurring export; more wrong ones stand in tests/acceptance/test_schedules.py."""

from dataclasses import replace

import pytest

from api.schedule_examples import EXAMPLES
from api.schedules import body as schedule_body
from api.schedules.notify import Webhooks
from flows.errors import InvalidRequest
from flows.reports import catalog
from flows.webhooks.signing_keys import WebhookSecrets
from tests.support.clock import NOON

REPORTS = catalog()
HERE = Webhooks(WebhookSecrets(["a secret of the operator's"]))


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_of_the_docs_is_right_and_is_shown_as_it_was_written(name: str) -> None:
    asked, request = schedule_body.parse(EXAMPLES[name], REPORTS, NOON, HERE)
    shown = asked.as_body()
    assert shown["export"] == EXAMPLES[name]["export"]
    assert schedule_body.parse(shown, REPORTS, NOON, HERE)[0] == replace(asked, notify=())
    assert len(asked.notify) == len(EXAMPLES[name].get("notify", []))
    assert request.report.name == asked.report


def test_the_days_of_a_run_are_read_in_the_recurrences_zone() -> None:
    _, request = schedule_body.parse(EXAMPLES["weekly"], REPORTS, NOON, HERE)
    assert request.zone.key == "Europe/Madrid"
    assert request.period is not None
    assert (request.body["from"], request.body["to"]) == ("2024-07-08", "2024-07-14")


def test_a_name_may_be_missing_only_where_nothing_is_made() -> None:
    body = {name: value for name, value in EXAMPLES["weekly"].items() if name != "name"}
    assert schedule_body.parse(body, REPORTS, NOON, HERE, needs_name=False)[0].name == ""
    with pytest.raises(InvalidRequest):
        schedule_body.parse(body, REPORTS, NOON, HERE)


def test_a_range_that_is_too_wide_for_the_report_is_told_at_the_range() -> None:
    body = {**EXAMPLES["weekly"], "range": {"kind": "absolute", "from": "2020-01-01", "to": "2024-01-01"}}
    with pytest.raises(InvalidRequest) as refused:
        schedule_body.parse(body, REPORTS, NOON, HERE)
    assert [each.pointer for each in refused.value.errors] == ["/range"]
