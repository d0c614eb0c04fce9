"""Who wants to hear of a recurring export: part of the flow's parameter `recurring`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Event = Literal["done", "error", "cancelled", "paused"]

# The only notification channel. A second kind is a second module beside this one.
Kind = Literal["webhook"]
KIND: Kind = "webhook"
EVENTS: tuple[Event, ...] = get_args(Event)
# `cancelled` comes from whoever cancels, and from every run without rows where none are wanted then.
DEFAULT_EVENTS: tuple[Event, ...] = ("done", "error", "paused")
EVENT_TYPES: Mapping[Event, str] = {
    "done": "export.done",
    "error": "export.error",
    "cancelled": "export.cancelled",
    "paused": "schedule.paused",
}


@dataclass(frozen=True)
class Subscription:
    """A webhook: `host` is its host, for eyes; `sealed` its whole address (see webhook_secrets.py)."""

    host: str
    sealed: str
    on: tuple[Event, ...] = DEFAULT_EVENTS

    def as_parameter(self) -> dict[str, Any]:
        return {"kind": KIND, "host": self.host, "sealed": self.sealed, "on": list(self.on)}


def parse_subscriptions(value: object) -> tuple[Subscription, ...]:
    """ValueError for what somebody has written by hand, and wrongly."""
    if not isinstance(value, list):
        raise ValueError("must be a list")
    return tuple(_subscription(each) for each in value)


def _subscription(value: object) -> Subscription:
    match value:
        case {"kind": "webhook", "host": str(host), "sealed": str(sealed), "on": [*on]}:
            return Subscription(host, sealed, tuple(each for each in EVENTS if each in on))
    raise ValueError("must hold webhooks as the API writes them")
