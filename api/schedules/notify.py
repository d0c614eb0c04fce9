"""`notify` in the body of a schedule: its webhooks, as callers send them and as readers see them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.web.answer import Answer
from flows.errors import FieldError, InvalidRequest
from flows.query.field_errors import field_errors
from flows.query.request_model import RequestModel
from flows.webhooks import address
from flows.webhooks.address import Address, InvalidAddress, parse_address
from flows.webhooks.signing_keys import UnsealError, WebhookSecrets
from flows.webhooks.subscriptions import DEFAULT_EVENTS, EVENTS, KIND, Event, Kind, Subscription

MAX_WEBHOOKS = 3
OFF = "Webhooks are off: the operator has not set REPORTS_WEBHOOK_SECRET_FILE."


@dataclass(frozen=True)
class Webhooks:
    """The operator's settings for webhooks; they are off without secrets."""

    secrets: WebhookSecrets | None
    private_hosts: Collection[str] = frozenset()


def _webhooks(info: ValidationInfo) -> Webhooks:
    assert info.context is not None  # noqa: S101 - always passed
    webhooks: Webhooks = info.context["webhooks"]
    return webhooks


def _read_url(value: object, info: ValidationInfo) -> tuple[str, Address]:
    try:
        return str(value), parse_address(value, _webhooks(info).private_hosts)
    except InvalidAddress as error:
        raise PydanticCustomError("address", "{text}", {"text": str(error)}) from None


def _read_events(value: object) -> tuple[Event, ...]:
    if not isinstance(value, list) or not value or any(each not in EVENTS for each in value):
        raise ValueError(f"must be a list of some of {', '.join(EVENTS)}")
    return tuple(each for each in EVENTS if each in value)


class NewWebhook(RequestModel):
    kind: Kind
    url: Annotated[
        Any,
        PlainValidator(_read_url),
        WithJsonSchema({"type": "string", "format": "webhook-address", "maxLength": address.MAX_LENGTH}),
    ] = Field(description="https, on port 443, at a public address.")
    on: (
        Annotated[
            tuple[Event, ...],
            PlainValidator(_read_events),
            WithJsonSchema(
                {"type": "array", "items": {"type": "string", "enum": list(EVENTS)}, "minItems": 1}
            ),
        ]
        | None
    ) = Field(None, description=f"{', '.join(DEFAULT_EVENTS)} if left out.")


class Webhook(Answer):
    kind: Kind
    url: str = Field(description="In lists, and where the whole URL may not be seen, its host.")
    on: list[Event]


_NEW_WEBHOOKS = TypeAdapter(list[NewWebhook])


def read_notify(value: object, info: ValidationInfo) -> tuple[Subscription, ...]:
    """Return the webhooks with their URLs sealed; raise InvalidRequest with every mistake."""
    if value == []:
        return ()
    if not isinstance(value, list) or len(value) > MAX_WEBHOOKS:
        raise PydanticCustomError(
            "type", "Must be a list of at most {most} webhooks.", {"most": MAX_WEBHOOKS}
        )
    secrets = _webhooks(info).secrets
    if secrets is None:
        raise PydanticCustomError("unsupported", "{text}", {"text": f"{OFF} Leave `notify` out."})
    errors = _repeated_urls(value)
    try:
        webhooks = _NEW_WEBHOOKS.validate_python(value, context=info.context)
    except ValidationError as error:
        raise InvalidRequest(field_errors(error.errors(include_url=False)) + errors) from None
    if errors:
        raise InvalidRequest(errors)
    return tuple(_sealed(each, secrets) for each in webhooks)


def _sealed(webhook: NewWebhook, secrets: WebhookSecrets) -> Subscription:
    url, target = webhook.url
    return Subscription(target.host_and_port, secrets.seal(url), webhook.on or DEFAULT_EVENTS)


def _repeated_urls(value: list[Any]) -> list[FieldError]:
    urls = [each.get("url") if isinstance(each, dict) else None for each in value]
    return [
        FieldError(f"/{number}/url", "duplicate", "This URL is listed twice.")
        for number, url in enumerate(urls)
        if isinstance(url, str) and url in urls[:number]
    ]


NotifyField = Annotated[
    tuple[Subscription, ...],
    PlainValidator(
        read_notify,
        json_schema_input_type=Annotated[list[NewWebhook], Field(max_length=MAX_WEBHOOKS)],
    ),
]


def webhook_answers(subscriptions: Sequence[Subscription], secrets: WebhookSecrets | None) -> list[Webhook]:
    """Return whole URLs only with the secrets that they were sealed with."""
    return [Webhook(kind=KIND, url=_url(each, secrets), on=list(each.on)) for each in subscriptions]


def _url(subscription: Subscription, secrets: WebhookSecrets | None) -> str:
    try:
        if secrets is not None:
            return secrets.unseal(subscription.sealed)
    except UnsealError:
        pass
    return f"https://{subscription.host}/…"
