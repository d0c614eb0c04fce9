"""Validate the `notify` field of schedules and build its value for responses.

The field lists the webhooks of a schedule.
"""

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
OFF = "Webhooks are disabled because REPORTS_WEBHOOK_SECRET_FILE is not set."


@dataclass(frozen=True)
class Webhooks:
    """The operator's settings for webhooks. Webhooks are disabled if `secrets` is None."""

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
    if not isinstance(value, list) or not value or any(event not in EVENTS for event in value):
        raise ValueError(f"must be a list of one or more of {', '.join(EVENTS)}")
    return tuple(event for event in EVENTS if event in value)


class NewWebhook(RequestModel):
    kind: Kind
    url: Annotated[
        Any,
        PlainValidator(_read_url),
        WithJsonSchema({"type": "string", "format": "webhook-address", "maxLength": address.MAX_LENGTH}),
    ] = Field(description="An https URL on port 443 with a public address.")
    on: (
        Annotated[
            tuple[Event, ...],
            PlainValidator(_read_events),
            WithJsonSchema(
                {"type": "array", "items": {"type": "string", "enum": list(EVENTS)}, "minItems": 1}
            ),
        ]
        | None
    ) = Field(None, description=f"Events to send. Defaults to {', '.join(DEFAULT_EVENTS)}.")


class Webhook(Answer):
    kind: Kind
    url: str = Field(description="The URL. Lists show only its host, because the path may contain a secret.")
    on: list[Event]


_NEW_WEBHOOKS = TypeAdapter(list[NewWebhook])


def read_notify(value: object, info: ValidationInfo) -> tuple[Subscription, ...]:
    """Validate the webhooks and return them with encrypted URLs.

    Raises InvalidRequest with all errors.
    """
    if value == []:
        return ()
    if not isinstance(value, list) or len(value) > MAX_WEBHOOKS:
        raise PydanticCustomError(
            "type", "Must be a list of at most {most} webhooks.", {"most": MAX_WEBHOOKS}
        )
    secrets = _webhooks(info).secrets
    if secrets is None:
        raise PydanticCustomError("unsupported", "{text}", {"text": f"{OFF} Omit `notify`."})
    errors = _repeated_urls(value)
    try:
        webhooks = _NEW_WEBHOOKS.validate_python(value, context=info.context)
    except ValidationError as error:
        raise InvalidRequest(field_errors(error.errors(include_url=False)) + errors) from None
    if errors:
        raise InvalidRequest(errors)
    return tuple(_sealed(webhook, secrets) for webhook in webhooks)


def _sealed(webhook: NewWebhook, secrets: WebhookSecrets) -> Subscription:
    url, target = webhook.url
    return Subscription(target.host_and_port, secrets.seal(url), webhook.on or DEFAULT_EVENTS)


def _repeated_urls(value: list[Any]) -> list[FieldError]:
    urls = [webhook.get("url") if isinstance(webhook, dict) else None for webhook in value]
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
    """Return the webhooks for a response.

    Only the host of a URL is shown if `secrets` is None or cannot decrypt the URL.
    """
    return [Webhook(kind=KIND, url=_url(item, secrets), on=list(item.on)) for item in subscriptions]


def _url(subscription: Subscription, secrets: WebhookSecrets | None) -> str:
    try:
        if secrets is not None:
            return secrets.unseal(subscription.sealed)
    except UnsealError:
        pass
    return f"https://{subscription.host}/…"
