"""Parse the webhook subscriptions that a schedule stores in its `recurring` flow parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Event = Literal["done", "error", "cancelled", "paused"]

# So far, webhooks are the only notification channel.
Kind = Literal["webhook"]
KIND: Kind = "webhook"
EVENTS: tuple[Event, ...] = get_args(Event)
# `cancelled` is opt-in, because callers usually cause the cancellation themselves, either by cancelling the
# run or by choosing to skip empty exports.
DEFAULT_EVENTS: tuple[Event, ...] = ("done", "error", "paused")
EVENT_TYPES: Mapping[Event, str] = {
    "done": "export.done",
    "error": "export.error",
    "cancelled": "export.cancelled",
    "paused": "schedule.paused",
}


@dataclass(frozen=True)
class Subscription:
    """A subscription to webhooks.

    `host` is for display, and `sealed` is the encrypted URL (see signing_keys.py).
    """

    host: str
    sealed: str
    on: tuple[Event, ...] = DEFAULT_EVENTS

    def as_parameter(self) -> dict[str, Any]:
        return {"kind": KIND, "host": self.host, "sealed": self.sealed, "on": list(self.on)}


def parse_subscriptions(value: object) -> tuple[Subscription, ...]:
    """Parse the stored list of subscriptions.

    Raises ValueError if the list is invalid. An operator may have edited it in Prefect.
    """
    if not isinstance(value, list):
        raise ValueError("must be a list")
    return tuple(map(_subscription, value))


def _subscription(value: object) -> Subscription:
    match value:
        case {"kind": "webhook", "host": str(host), "sealed": str(sealed), "on": [*on]}:
            return Subscription(host, sealed, tuple(event for event in EVENTS if event in on))
    raise ValueError("must contain webhooks in the format in which the API stores them")
