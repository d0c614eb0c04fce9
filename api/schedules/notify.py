"""Who is to hear of a recurring export, as its body says it. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.errors import FieldError, InvalidRequest, escaped
from flows.webhooks.address import BadAddress, parse_address
from flows.webhooks.signing_keys import SealBroken, WebhookSecrets
from flows.webhooks.subscriptions import KIND, OCCASIONS, USUAL_OCCASIONS, Notice, Occasion

MOST = 3
OFF = "Webhooks are off here: the operator has not set REPORTS_WEBHOOK_SECRET_FILE."
_NAMES = ("kind", "url", "on")


@dataclass(frozen=True)
class Webhooks:
    """What the operator allows: without secrets, none."""

    secrets: WebhookSecrets | None
    private_places: Collection[str] = frozenset()


def parse(value: object, webhooks: Webhooks) -> tuple[Notice, ...]:
    """With every address sealed; InvalidRequest tells all mistakes."""
    if value is None or value == []:
        return ()
    if not isinstance(value, list) or len(value) > MOST:
        raise _wrong("", "type", f"It must be a list of at most {MOST} webhooks.")
    if webhooks.secrets is None:
        raise _wrong("", "unsupported", f"{OFF} Leave `notify` out.")
    found: list[Notice] = []
    errors: list[FieldError] = []
    for place, each in enumerate(value):
        try:
            found.append(_notice(each, place, webhooks.secrets, webhooks.private_places))
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


def shown(notices: Sequence[Notice], secrets: WebhookSecrets | None) -> list[dict[str, Any]]:
    """With whole addresses only by the secrets that they were sealed with."""
    return [{"kind": KIND, "url": _shown_url(each, secrets), "on": list(each.on)} for each in notices]


def _shown_url(notice: Notice, secrets: WebhookSecrets | None) -> str:
    try:
        if secrets is not None:
            return secrets.open(notice.sealed)
    except SealBroken:
        pass
    return f"https://{notice.place}/…"


def _notice(value: object, place: int, secrets: WebhookSecrets, private_places: Collection[str]) -> Notice:
    if not isinstance(value, dict):
        raise _wrong(f"/{place}", "type", f'It must be an object: {{"kind":"{KIND}","url":"https://…"}}.')
    for name in value:
        if name not in _NAMES:
            raise _wrong(f"/{place}/{escaped(name)}", "unknown", "There is no such field.")
    if value.get("kind") != KIND:
        raise _wrong(f"/{place}/kind", "invalid", f"It must be `{KIND}`.")
    on = _occasions(value.get("on"), place)
    try:
        address = parse_address(value.get("url"), private_places)
    except BadAddress as error:
        raise _wrong(f"/{place}/url", "address", str(error)) from None
    return Notice(address.place, secrets.seal(value["url"]), on)


def _occasions(value: object, place: int) -> tuple[Occasion, ...]:
    if value is None:
        return USUAL_OCCASIONS
    if not isinstance(value, list) or not value or any(each not in OCCASIONS for each in value):
        known = ", ".join(f"`{each}`" for each in OCCASIONS)
        raise _wrong(f"/{place}/on", "invalid", f"It must be a list of some of {known}.")
    return tuple(each for each in OCCASIONS if each in value)


def _url(value: object) -> object:
    return value.get("url", value) if isinstance(value, Mapping) else value


def _wrong(pointer: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest([FieldError(f"/notify{pointer}", code, detail)])
