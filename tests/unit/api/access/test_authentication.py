"""Test that the Authorization header identifies the caller of a request."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from api.access.api_keys import KeyFile
from api.access.authentication import Authentication
from api.access.caller import LOCAL, Caller
from api.settings import ApiSettings
from api.web.problems import Refusal
from tests.support.clock import NOON

ISSUER, AUDIENCE = "https://login.example.com/", "reports"
OURS, ANOTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def claims(**changes: Any) -> dict[str, Any]:
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": time.time() + 300} | changes
    return {name: value for name, value in payload.items() if value is not None}


def signed(key: Any = OURS, algorithm: str = "RS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm)


def unsigned() -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims()]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, ""])


def public_key() -> bytes:
    return OURS.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def settings(**values: Any) -> ApiSettings:
    return ApiSettings.model_validate({"database_url": "sqlite://", "storage_url": "s3://b"} | values)


@pytest.fixture
def by_jwt(tmp_path: Path) -> Authentication:
    path = tmp_path / "key.pem"
    path.write_bytes(public_key())
    return Authentication(settings(jwt_key_file=path, jwt_issuer=ISSUER, jwt_audience=AUDIENCE))


def test_without_authentication_every_caller_is_the_local_caller() -> None:
    assert Authentication(settings()).caller([]) == LOCAL
    assert Authentication(settings()).caller(["Bearer anything"]) == LOCAL


def test_a_key_is_read_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    token = KeyFile(path).create("ada", ["orders"], NOON)
    authentication = Authentication(settings(keys_file=path))
    assert authentication.caller([f"Bearer {token}"]) == Caller("ada", frozenset({"orders"}))
    assert authentication.caller([f"bearer  {token}"]) == Caller("ada", frozenset({"orders"}))


@pytest.mark.parametrize(
    "header",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Basic YTpi"],
        ["Bearer a", "Bearer b"],
        ["Bearer " + "x" * 100_000],
    ],
    ids=["none", "empty", "scheme", "no token", "basic", "two", "100 kB"],
)
def test_an_invalid_key_is_rejected_with_a_challenge(tmp_path: Path, header: list[str]) -> None:
    with pytest.raises(Refusal) as raised:
        Authentication(settings(keys_file=tmp_path / "keys.json")).caller(header)
    assert raised.value.status == 401
    assert (raised.value.headers or {})["WWW-Authenticate"].startswith("Bearer")


def test_the_subject_of_a_jwt_is_its_caller(by_jwt: Authentication) -> None:
    assert by_jwt.caller([f"Bearer {signed()}"]) == Caller("ada")


@pytest.mark.parametrize(
    "token",
    [
        unsigned(),
        signed(key=ANOTHER),
        signed(key="a secret of at least thirty-two bytes", algorithm="HS256"),
        signed(algorithm="RS512"),
        signed(aud="another"),
        signed(aud=None),
        signed(iss="https://evil.example.com/"),
        signed(iss=None),
        signed(exp=time.time() - 60),
        signed(exp=None),
        signed(pii="false"),
        signed(pii=0),
        signed(nbf=time.time() + 86_400),
        signed(sub=None),
        signed(sub=""),
        signed(sub="two words"),
        signed(sub="x" * 201),
        signed() + "A",
        "a.b.c",
        "." * 5000,
    ],
)
def test_an_invalid_token_is_rejected(by_jwt: Authentication, token: str) -> None:
    with pytest.raises(Refusal) as raised:
        by_jwt.caller([f"Bearer {token}"])
    assert raised.value.status == 401


def test_no_token_gives_access_as_the_local_caller(tmp_path: Path) -> None:
    """`local` owns runs started in the Prefect UI, and exports created before authentication was enabled."""
    path, keys = tmp_path / "key.pem", tmp_path / "keys.json"
    path.write_bytes(public_key())
    token = KeyFile(keys).create("other", None, NOON)
    keys.write_text(keys.read_text().replace('"other"', '"local"'))
    values = settings(jwt_key_file=path, jwt_issuer=ISSUER, jwt_audience=AUDIENCE, keys_file=keys)
    for credential in (token, signed(sub="local")):
        with pytest.raises(Refusal) as raised:
            Authentication(values).caller([f"Bearer {credential}"])
        assert raised.value.status == 401


def test_the_setting_decides_for_tokens_without_the_claim(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(public_key())
    values = settings(jwt_key_file=path, jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_pii=False)
    authentication = Authentication(values)
    assert authentication.caller([f"Bearer {signed()}"]) == Caller("ada", sees_pii=False)
    assert authentication.caller([f"Bearer {signed(pii=True)}"]) == Caller("ada", sees_pii=True)


def test_a_jwt_key_needs_an_issuer_and_an_audience(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="REPORTS_JWT_ISSUER"):
        settings(jwt_key_file=tmp_path / "key.pem")


@pytest.mark.parametrize(("claim", "sees_pii"), [({}, True), ({"pii": True}, True), ({"pii": False}, False)])
def test_a_token_grants_or_denies_personal_data(
    by_jwt: Authentication, claim: dict[str, bool], sees_pii: bool
) -> None:
    assert by_jwt.caller([f"Bearer {signed(**claim)}"]) == Caller("ada", sees_pii=sees_pii)
