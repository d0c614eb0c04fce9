from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api.settings import ApiSettings
from flows.settings import Settings

GIVEN: dict[str, Any] = {"database_url": "sqlite://", "storage_url": "file:///exports"}


def test_the_api_reads_all_that_runs_read() -> None:
    assert set(Settings.model_fields) < set(ApiSettings.model_fields)


@pytest.mark.parametrize("content", [None, "", "short", "\xff" * 30])
def test_a_file_of_webhook_secrets_that_is_of_no_use_is_none(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secrets"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    assert Settings(webhook_secret_file=file, **GIVEN).webhook_secrets is None
    assert "webhooks are off" in caplog.text


@pytest.mark.parametrize("name", ApiSettings.model_fields)
def test_every_setting_is_described_in_a_sentence(name: str) -> None:
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
def test_a_setting_out_of_its_range_is_refused(name: str, value: int) -> None:
    with pytest.raises(ValidationError, match=name):
        ApiSettings(**GIVEN | {name: value})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("mysql+pymysql://u:p@h/d", "mysql+pymysql://u:p@h/d"),
    ],
)
def test_a_database_is_opened_by_a_driver_that_is_there(given: str, kept: str) -> None:
    assert Settings(**GIVEN | {"database_url": given}).database_url.get_secret_value() == kept


def test_a_password_is_in_no_text_of_the_settings() -> None:
    found = Settings(**GIVEN | {"database_url": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in f"{found} {found!r} {found.model_dump_json()}"


def test_the_apis_address_ends_without_a_slash() -> None:
    found = Settings(**GIVEN | {"public_url": "https://reports.example.com/"})
    assert found.public_url == "https://reports.example.com"
