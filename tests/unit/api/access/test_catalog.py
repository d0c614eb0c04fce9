"""Test which exports and schedules a key covers, and which keys share their Idempotency-Keys."""

from dataclasses import dataclass

import pytest

from api.access.caller import LOCAL, Caller
from api.access.catalog import Catalog

CATALOG = Catalog.of({})
ORDERS_ONLY = frozenset({"orders"})


@dataclass(frozen=True)
class Export:
    report: str
    masked: bool = False


@pytest.mark.parametrize(
    ("caller", "export", "is_covered"),
    [
        (LOCAL, Export("orders"), True),
        (LOCAL, Export("removed-from-the-catalog"), True),
        (Caller("ada", ORDERS_ONLY), Export("orders"), True),
        (Caller("ada", ORDERS_ONLY), Export("survey-responses"), False),
        (Caller("ada", frozenset()), Export("orders"), False),
        (Caller("ada", sees_pii=False), Export("orders"), False),
        (Caller("ada", sees_pii=False), Export("orders", masked=True), True),
        (Caller("ada", ORDERS_ONLY, sees_pii=False), Export("survey-responses", masked=True), False),
    ],
)
def test_a_key_covers_its_reports_and_masked_data(caller: Caller, export: Export, is_covered: bool) -> None:
    assert CATALOG.covers(caller, export) is is_covered


def test_only_keys_with_the_same_rights_share_idempotency_keys() -> None:
    callers = [
        Caller("ada"),
        Caller("bob"),
        Caller("ada", frozenset()),
        Caller("ada", frozenset({"a", "b"})),
        Caller("ada", sees_pii=False),
    ]
    assert len({caller.idempotency_space for caller in callers}) == len(callers)
    rotated = Caller("ada", frozenset({"b", "a"}))
    assert rotated.idempotency_space == callers[3].idempotency_space
