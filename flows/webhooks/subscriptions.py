"""Who wants to hear of a recurring export: part of the flow's parameter `recurring`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Occasion = Literal["done", "error", "cancelled", "paused"]

# The only notification channel. A second kind is a second module beside this one.
Kind = Literal["webhook"]
KIND: Kind = "webhook"
OCCASIONS: tuple[Occasion, ...] = get_args(Occasion)
# `cancelled` comes from whoever cancels, and from every run without rows where none are wanted then.
USUAL_OCCASIONS: tuple[Occasion, ...] = ("done", "error", "paused")
EVENTS: Mapping[Occasion, str] = {
    "done": "export.done",
    "error": "export.error",
    "cancelled": "export.cancelled",
    "paused": "schedule.paused",
}


@dataclass(frozen=True)
class Notice:
    """A webhook: `place` is its host, for eyes; `sealed` its whole address (see webhook_secrets.py)."""

    place: str
    sealed: str
    on: tuple[Occasion, ...] = USUAL_OCCASIONS

    def as_parameter(self) -> dict[str, Any]:
        return {"kind": KIND, "host": self.place, "sealed": self.sealed, "on": list(self.on)}


def parse_notices(value: object) -> tuple[Notice, ...]:
    """ValueError for what somebody has written by hand, and wrongly."""
    if not isinstance(value, list):
        raise ValueError("must be a list")
    return tuple(_notice(each) for each in value)


def _notice(value: object) -> Notice:
    match value:
        case {"kind": "webhook", "host": str(place), "sealed": str(sealed), "on": [*on]}:
            return Notice(place, sealed, tuple(each for each in OCCASIONS if each in on))
    raise ValueError("must hold webhooks as the API writes them")
