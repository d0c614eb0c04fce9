"""Test the rights of tokens, and when tokens expire or become invalid."""

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.api_keys import KeyFile
from api.access.authentication import Authentication
from api.access.caller import Caller
from api.access.tokens import ISSUER, Token, Tokens, limited, user_name
from api.settings import ApiSettings
from api.web.problems import Refusal
from flows.query.row_rights import Claims, allowed_values
from tests.support.clock import NOON

SECRET, NEWER = "s" * 24, "t" * 24
HOUR = timedelta(hours=1)


class Service:
    """A service's authentication with a key file and a secret file. Tests set `now` to move the clock."""

    def __init__(self, folder: Path) -> None:
        self.now = NOON
        self.keys_file, self.secret_file = folder / "keys.json", folder / "secret"
        self.secret_file.write_text(SECRET)
        self.keys = KeyFile(self.keys_file)
        settings = ApiSettings.model_validate(
            {
                "database_url": "sqlite://",
                "storage_url": "s3://b",
                "keys_file": self.keys_file,
                "token_secret_file": self.secret_file,
            }
        )
        self.authentication = Authentication(settings, clock=lambda: self.now)

    @property
    def tokens(self) -> Tokens:
        assert self.authentication.tokens is not None
        return self.authentication.tokens

    def key(self, caller: str = "shop", **rights: Any) -> Caller:
        options = {"reports": None, "pii": True, "allow": None} | rights
        return self.caller(self.keys.create(caller, now=NOON, **options))

    def token(self, key: Caller, user: str = "ada", **rights: Any) -> Token:
        options = {"reports": None, "pii": key.sees_pii, "allow": None} | rights
        return self.tokens.create(limited(key, user_name(key, user), **options), self.now + HOUR)

    def caller(self, token: str) -> Caller:
        return self.authentication.caller([f"Bearer {token}"])

    def rejects(self, token: str) -> bool:
        try:
            self.caller(token)
        except Refusal as refusal:
            return refusal.status == 401
        return False


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_a_token_identifies_the_user_of_a_key(service: Service) -> None:
    token = service.token(service.key(), reports=["orders"], allow={"region": ["north"]}, pii=False)
    caller = service.caller(token.text)
    assert caller == Caller("shop/ada", frozenset({"orders"}), False, {"region": frozenset({"north"})})
    assert (caller.issuer, caller.can_create_tokens) == ("shop", False)
    assert caller.rights is not None
    assert (caller.rights.from_key, caller.rights.issuer) == (True, "shop")


def test_a_token_without_own_rights_has_those_of_its_key(service: Service) -> None:
    key = service.key(reports=["orders"], pii=False, allow={"region": ["north", "south"]})
    assert service.caller(service.token(key).text) == replace(key, name="shop/ada")


def test_a_token_expires(service: Service) -> None:
    token = service.token(service.key())
    service.now = token.expires_at - timedelta(seconds=1)
    assert service.caller(token.text).name == "shop/ada"
    service.now = token.expires_at
    assert service.rejects(token.text)


def test_a_token_ends_with_its_key(service: Service) -> None:
    key = service.key()
    service.key()  # another key of the same caller
    token = service.token(key)
    assert key.key_id is not None
    service.keys.revoke(key.key_id)
    assert service.rejects(token.text)


def test_a_token_loses_the_rights_that_its_key_loses(service: Service) -> None:
    key = service.key(allow={"region": ["north", "south"]})
    token = service.token(key, reports=["orders", "customers"])
    content = json.loads(service.keys_file.read_text())
    content["keys"][0] |= {"reports": ["orders"], "pii": False, "allow": {"region": ["north"]}}
    service.keys_file.write_text(json.dumps(content))
    caller = service.caller(token.text)
    assert caller == Caller("shop/ada", frozenset({"orders"}), False, {"region": frozenset({"north"})})


def test_a_token_is_rejected_if_its_key_gets_another_caller(service: Service) -> None:
    token = service.token(service.key())
    service.keys_file.write_text(service.keys_file.read_text().replace('"shop"', '"shop2"'))
    assert service.rejects(token.text)


def test_a_token_is_rejected_if_a_key_belongs_to_the_same_name(service: Service) -> None:
    token = service.token(service.key())
    service.key("shop/ada")
    assert service.rejects(token.text)


def test_a_secret_can_be_replaced_while_its_tokens_are_in_use(service: Service) -> None:
    old = service.token(service.key())
    service.secret_file.write_text(f"{NEWER}\n{SECRET}\n")
    new = service.token(service.key())
    assert {service.caller(token.text).name for token in (old, new)} == {"shop/ada"}
    service.secret_file.write_text(NEWER)
    assert service.rejects(old.text)
    assert service.caller(new.text).name == "shop/ada"


@pytest.mark.parametrize("content", [None, b"", b"short", b"\xff" * 30])
def test_an_invalid_secret_file_disables_tokens(
    service: Service, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    key = service.key()
    token = service.token(key)
    service.secret_file.unlink()
    if content is not None:
        service.secret_file.write_bytes(content)
    assert service.rejects(token.text)
    with pytest.raises(LookupError):
        service.token(key)
    assert "the secret file cannot be used" in caplog.text


def encode(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def forgeries(token: str) -> Iterable[str]:
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    more = encode(claims | {"sub": "shop/bob"})
    for algorithm in ("none", "None", "HS384", "RS256"):
        yield ".".join((encode({"alg": algorithm, "typ": "JWT"}), payload, ""))
        yield ".".join((encode({"alg": algorithm, "typ": "JWT"}), payload, signature))
    yield ".".join((header, more, signature))
    yield ".".join((header, more, ""))
    yield ".".join((header, payload, signature[:-2] + ("AA" if signature[-2:] != "AA" else "BB")))
    yield f"{header}.{payload}"
    yield f"{token}.{signature}"
    # The signing key is derived from the secret, so a token signed with the secret itself is invalid.
    yield jwt.encode(claims, SECRET.ljust(32, "x"), "HS256")


def test_a_forged_token_is_rejected(service: Service) -> None:
    token = service.token(service.key()).text
    assert [forgery for forgery in forgeries(token) if not service.rejects(forgery)] == []
    assert service.caller(token).name == "shop/ada"


@pytest.mark.parametrize(
    "change",
    [{"iss": "someone"}, {"iss": None}, {"exp": None}, {"sub": None}, {"key": None}, {"key": "0" * 8}],
)
def test_an_incomplete_token_is_rejected(service: Service, change: dict[str, Any]) -> None:
    token = service.token(service.key()).text
    claims = jwt.decode(token, options={"verify_signature": False}) | change
    claims = {name: value for name, value in claims.items() if value is not None or name not in change}
    key = service.tokens._signing_keys()[0]
    assert service.rejects(jwt.encode(claims, key, "HS256"))


RIGHTS = st.fixed_dictionaries(
    {
        "reports": st.none() | st.lists(st.sampled_from(["a", "b", "c"]), unique=True),
        "pii": st.booleans(),
        "allow": st.none()
        | st.dictionaries(
            st.sampled_from(["x", "y"]), st.lists(st.sampled_from(["1", "2", "*"]), unique=True)
        ),
    }
)


def can(caller: Caller, report: str, claim: str, value: str, pii: bool) -> bool:
    allowed = allowed_values(caller.claims, claim)
    return (
        (caller.reports is None or report in caller.reports)
        and bool({value, "*"} & allowed)
        and (caller.sees_pii or not pii)
    )


def as_caller(name: str, rights: dict[str, Any]) -> Caller:
    reports, allow = rights["reports"], rights["allow"]
    claims: Claims | None = (
        None if allow is None else {key: frozenset(values) for key, values in allow.items()}
    )
    return Caller(name, None if reports is None else frozenset(reports), rights["pii"], claims, "0" * 8)


@given(RIGHTS, RIGHTS)
def test_a_token_can_do_what_both_its_key_and_its_order_permit(
    of_key: dict[str, Any], ordered: dict[str, Any]
) -> None:
    key, order = as_caller("shop", of_key), as_caller("shop/ada", ordered)
    token = limited(key, "shop/ada", **ordered)
    for report in ("a", "b", "c"):
        for claim in ("x", "y"):
            for value in ("1", "2", "*"):
                for pii in (True, False):
                    case = (report, claim, value, pii)
                    assert can(token, *case) == (can(key, *case) and can(order, *case))


def test_tokens_need_a_key_file(tmp_path: Path) -> None:
    values = {"database_url": "sqlite://", "storage_url": "s3://b", "token_secret_file": tmp_path / "secret"}
    assert Authentication(ApiSettings.model_validate(values)).tokens is None


def test_expiry_is_a_whole_second(service: Service) -> None:
    service.now = datetime.fromisoformat("2026-01-01T12:00:00.999999+00:00")
    token = service.token(service.key())
    assert jwt.decode(token.text, options={"verify_signature": False})["exp"] == token.expires_at.timestamp()
    assert jwt.decode(token.text, options={"verify_signature": False})["iss"] == ISSUER
