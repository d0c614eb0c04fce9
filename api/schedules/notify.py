"""Who is to hear of a recurring export, as its body says it. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.errors import FieldError, InvalidRequest, escape_pointer
from flows.webhooks.address import InvalidAddress, parse_address
from flows.webhooks.signing_keys import UnsealError, WebhookSecrets
from flows.webhooks.subscriptions import DEFAULT_EVENTS, EVENTS, KIND, Event, Subscription

MOST = 3
OFF = "Webhooks are off here: the operator has not set REPORTS_WEBHOOK_SECRET_FILE."
_NAMES = ("kind", "url", "on")


@dataclass(frozen=True)
class Webhooks:
    """What the operator allows: without secrets, none."""

    secrets: WebhookSecrets | None
    private_hosts: Collection[str] = frozenset()


def parse(value: object, webhooks: Webhooks) -> tuple[Subscription, ...]:
    """With every address sealed; InvalidRequest tells all mistakes."""
    if value is None or value == []:
        return ()
    if not isinstance(value, list) or len(value) > MOST:
        raise _invalid("", "type", f"It must be a list of at most {MOST} webhooks.")
    if webhooks.secrets is None:
        raise _invalid("", "unsupported", f"{OFF} Leave `notify` out.")
    found: list[Subscription] = []
    errors: list[FieldError] = []
    for place, each in enumerate(value):
        try:
            found.append(_subscription(each, place, webhooks.secrets, webhooks.private_hosts))
        except InvalidRequest as error:
            errors += error.errors
    errors += [
        FieldError(f"/notify/{place}/url", "duplicate", "This address is there already.")
        for place, each in enumerate(value)
        if any(each == earlier or _url(each) == _url(earlier) for earlier in value[:place])
    ]
    if errors:
        raise InvalidRequest(errors)
    return tuple(found)


def shown(subscriptions: Sequence[Subscription], secrets: WebhookSecrets | None) -> list[dict[str, Any]]:
    """With whole addresses only by the secrets that they were sealed with."""
    return [{"kind": KIND, "url": _shown_url(each, secrets), "on": list(each.on)} for each in subscriptions]


def _shown_url(subscription: Subscription, secrets: WebhookSecrets | None) -> str:
    try:
        if secrets is not None:
            return secrets.unseal(subscription.sealed)
    except UnsealError:
        pass
    return f"https://{subscription.host}/…"


def _subscription(
    value: object, place: int, secrets: WebhookSecrets, private_hosts: Collection[str]
) -> Subscription:
    if not isinstance(value, dict):
        raise _invalid(f"/{place}", "type", f'It must be an object: {{"kind":"{KIND}","url":"https://…"}}.')
    for name in value:
        if name not in _NAMES:
            raise _invalid(f"/{place}/{escape_pointer(name)}", "unknown", "There is no such field.")
    if value.get("kind") != KIND:
        raise _invalid(f"/{place}/kind", "invalid", f"It must be `{KIND}`.")
    on = _events(value.get("on"), place)
    try:
        address = parse_address(value.get("url"), private_hosts)
    except InvalidAddress as error:
        raise _invalid(f"/{place}/url", "address", str(error)) from None
    return Subscription(address.host_and_port, secrets.seal(value["url"]), on)


def _events(value: object, place: int) -> tuple[Event, ...]:
    if value is None:
        return DEFAULT_EVENTS
    if not isinstance(value, list) or not value or any(each not in EVENTS for each in value):
        known = ", ".join(f"`{each}`" for each in EVENTS)
        raise _invalid(f"/{place}/on", "invalid", f"It must be a list of some of {known}.")
    return tuple(each for each in EVENTS if each in value)


def _url(value: object) -> object:
    return value.get("url", value) if isinstance(value, Mapping) else value


def _invalid(pointer: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest.at(f"/notify{pointer}", code, detail)
