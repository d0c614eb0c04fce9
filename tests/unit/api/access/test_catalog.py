"""Test which exports and schedules an API key covers, and which API keys share Idempotency-Keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from api.access.caller import LOCAL, Caller
from api.access.catalog import Catalog
from flows.query.row_rights import Claims, Rights
from tests.support.sample_report import THINGS, things

SHOPS = replace(THINGS, name="shops", scope={"shop": replace(THINGS.scope["shop"], claim="shop")})
TEAMS = replace(THINGS, name="teams", claims={"team": things.c.words})
CATALOG = Catalog.of({report.name: report for report in (THINGS, SHOPS, TEAMS)})
THINGS_ONLY = frozenset({"things"})
SHOP_A: Claims = {"shop": frozenset({"a"})}
TEAM_X: Claims = {"team": frozenset({"x"})}


@dataclass(frozen=True)
class Export:
    report: str
    masked: bool = False
    request: Mapping[str, Any] = field(default_factory=dict)
    rights: Rights | None = None


@pytest.mark.parametrize(
    ("caller", "export", "is_covered"),
    [
        (LOCAL, Export("things"), True),
        (LOCAL, Export("removed"), True),
        (Caller("ada", THINGS_ONLY), Export("things"), True),
        (Caller("ada", THINGS_ONLY), Export("shops"), False),
        (Caller("ada", frozenset()), Export("things"), False),
        (Caller("ada", sees_pii=False), Export("things"), False),
        (Caller("ada", sees_pii=False), Export("things", masked=True), True),
        (Caller("ada", THINGS_ONLY, sees_pii=False), Export("shops", masked=True), False),
        (Caller("ada", claims=SHOP_A), Export("things"), True),
        (Caller("ada", claims=SHOP_A), Export("removed"), False),
        (Caller("ada", claims=SHOP_A), Export("shops", request={"shop": "a"}), True),
        (Caller("ada", claims=SHOP_A), Export("shops", request={"shop": "b"}), False),
        (Caller("ada", claims=TEAM_X), Export("teams"), False),
        (Caller("ada", claims=TEAM_X), Export("teams", rights=Rights(TEAM_X)), True),
        (Caller("ada", claims=SHOP_A), Export("teams", rights=Rights(TEAM_X)), False),
    ],
)
def test_a_key_covers_its_reports_columns_and_rows(caller: Caller, export: Export, is_covered: bool) -> None:
    assert CATALOG.covers(caller, export) is is_covered


def test_reports_exist_for_callers_with_a_value_for_every_claim() -> None:
    assert set(CATALOG.permitted(Caller("ada", claims=SHOP_A))) == {"things", "shops"}
    assert set(CATALOG.permitted(Caller("ada", claims=TEAM_X))) == {"things", "teams"}
    assert set(CATALOG.permitted(Caller("ada", claims={}))) == {"things"}
    assert set(CATALOG.permitted(Caller("ada"))) == {"things", "shops", "teams"}


def test_restricted_reports_are_kept_and_share_the_models_of_requests() -> None:
    first, second = (CATALOG.permitted(Caller(name, claims=SHOP_A))["shops"] for name in ("ada", "bob"))
    assert first is second
    assert vars(first)["request_model"] is vars(CATALOG.reports["shops"])["request_model"]


def test_only_keys_with_the_same_rights_share_idempotency_keys() -> None:
    callers = [
        Caller("ada"),
        Caller("bob"),
        Caller("ada", frozenset()),
        Caller("ada", frozenset({"a", "b"})),
        Caller("ada", sees_pii=False),
        Caller("ada", claims={}),
        Caller("ada", claims=SHOP_A),
        Caller("ada", claims={"shop": frozenset({"b", "a"})}),
    ]
    assert len({caller.idempotency_space for caller in callers}) == len(callers)
    rotated = Caller("ada", frozenset({"b", "a"}))
    assert rotated.idempotency_space == callers[3].idempotency_space
