from argparse import Namespace
from typing import Any

import pytest
import uvicorn
from uvicorn.importer import import_from_string

from api.web.http_protocol import LimitedHttp
from deployments import cli
from deployments.register import describe_changes
from deployments.roles import api
from deployments.roles.settings import REQUIRED, check_settings

VALID = {
    "REPORTS_DATABASE_URL": "postgresql://127.0.0.1/reports",
    "REPORTS_STORAGE_URL": "s3://exports",
    "PREFECT_API_URL": "http://127.0.0.1:4200/api",
}
NEEDED = {"api": set(REQUIRED), "worker": set(REQUIRED), "sweep-once": set(REQUIRED)}
NEEDED["register"] = {"PREFECT_API_URL"}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in REQUIRED:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("role", NEEDED)
def test_a_role_names_every_missing_setting(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([role]) == 2
    message = capsys.readouterr().err
    assert {name for name in REQUIRED if f"{name} is not set. Set it to " in message} == NEEDED[role]


@pytest.mark.parametrize("role", NEEDED)
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("REPORTS_DATABASE_URL", "nonsense", "REPORTS_DATABASE_URL must be an SQLAlchemy URL"),
        ("REPORTS_STORAGE_URL", "gs://bucket", "REPORTS_STORAGE_URL must be s3://bucket/prefix"),
        ("PREFECT_API_URL", "127.0.0.1:4200", "PREFECT_API_URL must be an http or https URL"),
        ("REPORTS_ATTEMPTS", "many", "REPORTS_ATTEMPTS must be a whole number."),
        ("REPORTS_JWT_KEY_FILE", "key.pem", "REPORTS_JWT_KEY_FILE needs REPORTS_JWT_ISSUER and"),
    ],
)
def test_a_role_rejects_an_invalid_setting(
    role: str,
    name: str,
    value: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for setting, text in (VALID | {name: value}).items():
        monkeypatch.setenv(setting, text)
    assert cli.main([role]) == 2
    output = capsys.readouterr().err
    assert message in output
    assert "Traceback" not in output


def test_valid_settings_are_accepted() -> None:
    assert check_settings(VALID) is None


def test_an_open_address_needs_authentication(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for setting, text in VALID.items():
        monkeypatch.setenv(setting, text)
    assert cli.main(["api", "--host", "0.0.0.0"]) == 2  # noqa: S104 - it is rejected
    assert "authentication is not configured" in capsys.readouterr().err


def test_changes_of_a_registration_are_named() -> None:
    before = {"Work pool exports": "warm", "Deployment sweep": {"version": 1}}
    after = {"Work pool exports": "warm", "Deployment sweep": {"version": 2}, "Deployment webhook": {}}
    assert describe_changes(before, after) == ["Deployment webhook: created", "Deployment sweep: updated"]
    assert describe_changes(after, after) == []


def test_the_api_limits_heads_and_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda _, **given: options.update(given))
    monkeypatch.setattr(api, "_check", lambda *_: None)
    assert api.run(Namespace(host="127.0.0.1", port=0, processes=2, root_path="")) == 0
    assert import_from_string(options["http"]) is LimitedHttp
