"""Test that a run ends if none of its caller's keys still grants the rights stored with the run."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.access.api_keys import KeyFile
from flows.access.withdrawal import check_rights
from flows.errors import RightsGone, RightsUnknown
from flows.query.masking import mask_reports
from flows.query.row_rights import Claims, Rights
from tests.support.sample_report import THINGS, things

SHOPS = replace(
    THINGS,
    scope={"shop": replace(THINGS.scope["shop"], claim="shop")},
    claims={"team": things.c.words},
)
BODY = {"shop": "a"}
CLAIMS: Claims = {"shop": frozenset({"a", "b"}), "team": frozenset({"x"})}
ALLOW = {"shop": ["a"], "team": ["x", "y"]}
FROM_KEY = Rights(CLAIMS, from_key=True)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def create(keys: Path, caller: str = "ada", **rights: object) -> str:
    options = {"reports": None, "pii": True, "allow": ALLOW} | rights
    return KeyFile(keys).create(caller, now=datetime.now(UTC), **options)[4:12]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rights",
    [{}, {"reports": ["things"]}, {"allow": None}, {"allow": {"shop": ["*"], "team": ["*"]}}],
    ids=["the same rows", "the same report", "all rows", "every value"],
)
def test_any_key_with_the_right_lets_the_run_continue(keys: Path, rights: dict[str, object]) -> None:
    create(keys, "bob")
    create(keys, **rights)
    check_rights(SHOPS, BODY, FROM_KEY, "ada", keys)


@pytest.mark.parametrize(
    "rights",
    [
        {"caller": "bob"},
        {"reports": ["orders"]},
        {"pii": False},
        {"allow": {}},
        {"allow": {"shop": ["b"], "team": ["x"]}},
        {"allow": {"shop": ["a"], "team": ["y"]}},
        {"allow": {"shop": ["a"]}},
    ],
    ids=["another caller", "another report", "masked", "no row", "another shop", "another team", "no team"],
)
def test_without_a_key_that_has_the_right_the_run_ends(keys: Path, rights: dict[str, object]) -> None:
    create(keys, **rights)  # type: ignore[arg-type]
    with pytest.raises(RightsGone):
        check_rights(SHOPS, BODY, FROM_KEY, "ada", keys)


def test_a_masked_run_needs_no_right_to_personal_data(keys: Path) -> None:
    create(keys, pii=False)
    masked = mask_reports({"things": SHOPS})["things"]
    check_rights(masked, BODY, FROM_KEY, "ada", keys)


def test_a_replaced_key_keeps_the_right_and_a_revoked_one_does_not(keys: Path) -> None:
    old, new = create(keys), create(keys)
    KeyFile(keys).revoke(old)
    check_rights(SHOPS, BODY, FROM_KEY, "ada", keys)
    KeyFile(keys).revoke(new)
    with pytest.raises(RightsGone):
        check_rights(SHOPS, BODY, FROM_KEY, "ada", keys)


def test_rights_of_a_jwt_and_of_unknown_keys_last(keys: Path, tmp_path: Path) -> None:
    create(keys, "bob")
    check_rights(SHOPS, BODY, Rights(CLAIMS), "ada", keys)
    check_rights(SHOPS, BODY, FROM_KEY, "ada", None)


def test_rights_of_a_token_end_with_the_keys_of_its_issuer(keys: Path) -> None:
    rights = Rights(CLAIMS, from_key=True, issuer="ada")
    old, new = create(keys), create(keys)
    create(keys, "ada/user")
    KeyFile(keys).revoke(old)
    check_rights(SHOPS, BODY, rights, "ada/user", keys)
    KeyFile(keys).revoke(new)
    with pytest.raises(RightsGone):
        check_rights(SHOPS, BODY, rights, "ada/user", keys)


def test_a_claim_that_was_added_to_the_report_ends_the_run() -> None:
    report = replace(SHOPS, claims={**SHOPS.claims, "region": things.c.words})
    with pytest.raises(RightsGone):
        check_rights(report, BODY, Rights(CLAIMS), "ada", None)


def test_a_missing_or_invalid_key_file_is_a_temporary_error(keys: Path) -> None:
    with pytest.raises(RightsUnknown):
        check_rights(SHOPS, BODY, FROM_KEY, "ada", keys)
    keys.write_text("{")
    with pytest.raises(RightsUnknown):
        check_rights(SHOPS, BODY, FROM_KEY, "ada", keys)
