"""Test how a schedule's `notify` field is validated and how it is formatted in responses."""

from typing import Any

import pytest

from api.schedules.notify import NotifyField, Webhooks, webhook_answers
from api.web.validation import validated
from flows.errors import InvalidRequest
from flows.query.request_model import RequestModel
from flows.webhooks.signing_keys import WebhookSecrets
from flows.webhooks.subscriptions import Subscription, parse_subscriptions

SECRETS = WebhookSecrets(["a secret of the operator's"])
HERE = Webhooks(SECRETS, frozenset({"localhost:8443"}))
URL = "https://hooks.example.com/?token=hush"
HOOK = {"kind": "webhook", "url": URL}


class Body(RequestModel):
    notify: NotifyField | None = None


def parse(value: Any, webhooks: Webhooks) -> tuple[Subscription, ...]:
    return validated(Body, {"notify": value}, webhooks=webhooks).notify or ()


def pointers(value: Any, webhooks: Webhooks = HERE) -> list[str]:
    with pytest.raises(InvalidRequest) as raised:
        parse(value, webhooks)
    assert all(error.detail.endswith((".", "}.")) for error in raised.value.errors)
    return [error.pointer for error in raised.value.errors]


def shown(notices: tuple[Subscription, ...], secrets: WebhookSecrets | None) -> list[dict[str, Any]]:
    return [answer.model_dump() for answer in webhook_answers(notices, secrets)]


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("https://hooks.example.com/", "/notify"),
        ({}, "/notify"),
        ([HOOK] * 4, "/notify"),
        (["https://hooks.example.com/"], "/notify/0"),
        ([[]], "/notify/0"),
        ([{"url": URL}], "/notify/0/kind"),
        ([{"kind": "mail", "url": URL}], "/notify/0/kind"),
        ([{"kind": "webhook"}], "/notify/0/url"),
        ([{"kind": "webhook", "url": "http://hooks.example.com/"}], "/notify/0/url"),
        ([HOOK, {"kind": "webhook", "url": "https://10.0.0.1/"}], "/notify/1/url"),
        ([HOOK, HOOK], "/notify/1/url"),
        ([HOOK | {"on": []}], "/notify/0/on"),
        ([HOOK | {"on": "done"}], "/notify/0/on"),
        ([HOOK | {"on": ["sometimes"]}], "/notify/0/on"),
        ([HOOK | {"on": [{}]}], "/notify/0/on"),
        ([HOOK | {"secret": "x"}], "/notify/0/secret"),
        ([HOOK | {"a/b": "x"}], "/notify/0/a~1b"),
    ],
)
def test_an_invalid_webhook_is_reported_at_its_pointer(value: Any, pointer: str) -> None:
    assert pointers(value) == [pointer]


def test_all_errors_are_reported_at_once() -> None:
    assert pointers([{"kind": "mail"}, {"kind": "webhook", "url": "x"}]) == [
        "/notify/0/kind",
        "/notify/0/url",
        "/notify/1/url",
    ]


def test_the_error_does_not_contain_the_url() -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse([{"kind": "webhook", "url": "https://hush:hush@hooks.example.com/hush"}], HERE)
    assert "hush" not in str(raised.value)


def test_without_a_secret_the_error_names_the_setting() -> None:
    with pytest.raises(InvalidRequest, match="REPORTS_WEBHOOK_SECRET_FILE"):
        parse([HOOK], Webhooks(None))


@pytest.mark.parametrize("value", [None, []])
def test_an_empty_list_is_accepted_while_webhooks_are_disabled(value: Any) -> None:
    assert parse(value, Webhooks(None)) == ()


def test_the_stored_url_is_encrypted_and_can_be_read_back() -> None:
    notices = parse([HOOK, {"kind": "webhook", "url": "https://localhost:8443/"}], HERE)
    parameter = [notice.as_parameter() for notice in notices]
    assert "hush" not in str(parameter)
    assert [webhook["host"] for webhook in parameter] == ["hooks.example.com", "localhost:8443"]
    assert parse_subscriptions(parameter) == notices


def test_the_owner_sees_the_url_but_a_list_shows_the_host() -> None:
    notices = parse([HOOK | {"on": ["paused", "done"]}], HERE)
    assert shown(notices, SECRETS) == [HOOK | {"on": ["done", "paused"]}]
    assert shown(notices, None)[0]["url"] == "https://hooks.example.com/…"


def test_without_the_old_secret_the_host_is_shown() -> None:
    notices = parse([HOOK], HERE)
    answers = shown(notices, WebhookSecrets(["another secret of the operator's"]))
    assert answers[0]["url"] == "https://hooks.example.com/…"
