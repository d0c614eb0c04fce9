"""Test the error message for each invalid setting of `report-exports up`."""

import pytest

from deployments import cli
from deployments.roles.settings import check_settings, find_misspelled


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "REPORTS_DATABASE_URL",
            "nonsense",
            "REPORTS_DATABASE_URL must be an SQLAlchemy URL, such as postgresql://user@host/database.",
        ),
        (
            "REPORTS_DATABASE_URL",
            "postgresql://host:port/database",
            "REPORTS_DATABASE_URL must be an SQLAlchemy URL, such as postgresql://user@host/database.",
        ),
        (
            "REPORTS_DATABASE_URL",
            "snowflake://user@account/database",
            "REPORTS_DATABASE_URL names snowflake://, which needs an SQLAlchemy dialect."
            " Run: pip install snowflake-sqlalchemy",
        ),
        (
            "REPORTS_DATABASE_URL",
            "mssql://user@host/database",
            "REPORTS_DATABASE_URL names mssql://, which needs a driver. Run: pip install pyodbc,"
            " or the extra report-exports[mssql]",
        ),
        (
            "REPORTS_DATABASE_URL",
            "mysql+asyncmy://user@host/database",
            "REPORTS_DATABASE_URL names mysql://, which needs a driver. Run: pip install asyncmy,"
            " or the extra report-exports[mysql]",
        ),
        (
            "REPORTS_DATABASES",
            "postgresql://user:secret@host/database",
            'REPORTS_DATABASES must be a JSON object, such as {"warehouse": "postgresql://user@host/database"}.',
        ),
        (
            "REPORTS_DATABASES",
            '{"Main DB": "postgresql://host/database"}',
            "REPORTS_DATABASES must not use the name 'Main DB'. Use lower-case letters, digits, - and _.",
        ),
        (
            "REPORTS_DATABASES",
            '{"warehouse": "snowflake://user:secret@account/database"}',
            "REPORTS_DATABASES must contain valid URLs: warehouse names snowflake://, which needs an"
            " SQLAlchemy dialect. Run: pip install snowflake-sqlalchemy.",
        ),
        (
            "REPORTS_STORAGE_URL",
            "bucket",
            "REPORTS_STORAGE_URL must be s3://bucket/prefix or file:///folder.",
        ),
        (
            "PREFECT_API_URL",
            "localhost:4200",
            "PREFECT_API_URL must be an http or https URL, such as http://127.0.0.1:4200/api.",
        ),
    ],
)
def test_an_invalid_setting_is_explained(name: str, value: str, sentence: str) -> None:
    settings = {"REPORTS_DATABASE_URL": "sqlite://", name: value}
    assert check_settings(settings) == sentence


@pytest.mark.parametrize(
    "url", ["mysql://root@host/database", "mariadb://root@host/db", "postgres://host/db"]
)
def test_a_url_without_a_driver_selects_an_installed_one(url: str) -> None:
    assert check_settings({"REPORTS_DATABASE_URL": url}) is None


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("REPORTS_KEY_FILE", "REPORTS_KEYS_FILE"),
        ("REPORT_KEYS_FILE", "REPORTS_KEYS_FILE"),
        ("REPORTS_RETENTION_DAY", "REPORTS_RETENTION_DAYS"),
        ("REPORTS_API_KEYS", "REPORTS_API_KEY"),
    ],
)
def test_a_misspelled_setting_is_reported(name: str, setting: str) -> None:
    expected = f"{name} is not a setting and has no effect. Did you mean {setting}?"
    assert list(find_misspelled({name: "value"})) == [expected]


@pytest.mark.parametrize(
    "name", ["REPORTS_KEYS_FILE", "REPORTS_API_URL", "REPORTS_SERVICE_HOST", "REPORTS_PORT_8000_TCP", "PATH"]
)
def test_settings_and_unrelated_variables_are_not_reported(name: str) -> None:
    assert list(find_misspelled({name: "value"})) == []


def test_a_role_reports_a_misspelled_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("REPORTS_KEY_FILE", "keys.json")
    assert cli.main(["register"]) == 2
    assert "report-exports: REPORTS_KEY_FILE is not a setting" in capsys.readouterr().err
