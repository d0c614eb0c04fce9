from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api.settings import ApiSettings
from flows.settings import Settings

REQUIRED: dict[str, Any] = {"database_url": "sqlite://", "storage_url": "file:///exports"}


def test_the_api_settings_include_all_run_settings() -> None:
    assert set(Settings.model_fields) < set(ApiSettings.model_fields)


@pytest.mark.parametrize("content", [None, "", "short", "\xff" * 30])
def test_an_invalid_secret_file_disables_webhooks(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secrets"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    assert Settings(webhook_secret_file=file, **REQUIRED).webhook_secrets is None
    assert "webhooks are disabled" in caplog.text


@pytest.mark.parametrize("name", ApiSettings.model_fields)
def test_every_setting_has_a_description(name: str) -> None:
    assert str(ApiSettings.model_fields[name].description).endswith(".")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("link_seconds", 899),
        ("link_seconds", 604_801),
        ("attempts", 0),
        ("attempts", 11),
        ("statement_seconds", 0),
        ("retry_seconds", -1),
        ("silence_seconds", 0.5),
        ("outage_seconds", 0),
        ("table_seconds", 0),
    ],
)
def test_a_setting_out_of_range_is_rejected(name: str, value: int) -> None:
    with pytest.raises(ValidationError, match=name):
        ApiSettings(**REQUIRED | {name: value})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("mysql+pymysql://u:p@h/d", "mysql+pymysql://u:p@h/d"),
    ],
)
def test_a_postgresql_url_selects_the_installed_driver(url: str, expected: str) -> None:
    assert Settings(**REQUIRED | {"database_url": url}).database_url.get_secret_value() == expected


def test_databases_have_names_and_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTS_DATABASES", '{"warehouse": "postgres://u:p@h/d", "hr": "mysql://h/hr"}')
    settings = Settings(**REQUIRED)
    assert settings.database_urls == {
        "": "sqlite://",
        "warehouse": "postgresql+psycopg://u:p@h/d",
        "hr": "mysql+pymysql://h/hr",
    }


@pytest.mark.parametrize("value", [None, "", "{}"])
def test_without_other_databases_there_is_one(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("REPORTS_DATABASES", value)
    assert Settings(**REQUIRED).database_urls == {"": "sqlite://"}


def test_settings_never_show_a_password() -> None:
    databases = '{"other": "postgresql://u:hunter2@h/d"}'
    settings = Settings(**REQUIRED | {"database_url": "postgresql://u:hunter2@h/d", "databases": databases})
    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump_json()}"


def test_the_public_url_has_no_trailing_slash() -> None:
    settings = Settings(**REQUIRED | {"public_url": "https://reports.example.com/"})
    assert settings.public_url == "https://reports.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "files.example.com",
        "ftp://files.example.com",
        "https://files.example.com/s3",
        "https://u:p@files.example.com",
    ],
)
def test_an_invalid_public_address_of_the_storage_is_rejected(url: str) -> None:
    with pytest.raises(ValidationError, match="is not the address of an S3 server"):
        ApiSettings(**REQUIRED | {"storage_url": "s3://exports", "s3_public_url": url})


def test_a_public_address_needs_a_bucket() -> None:
    with pytest.raises(ValidationError, match="needs a bucket"):
        ApiSettings(**REQUIRED | {"s3_public_url": "https://files.example.com"})


def test_record_is_kept_at_least_as_long_as_its_file() -> None:
    settings = Settings(retention_days=100, history_days=10, **REQUIRED)
    assert settings.history == settings.retention
