"""Test the error message for each invalid setting of `report-exports up`."""

from pathlib import Path

import pytest

from api.settings import ApiSettings
from deployments import cli
from deployments.roles.settings import (
    check_settings,
    find_misspelled,
    find_unreadable_files,
    load_settings,
)

SPECIAL = (
    "has a password with special characters, which must be percent-encoded. Write @ as %40, / as %2F,"
    " # as %23, ? as %3F and % as %25."
)


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
        ("REPORTS_DATABASE_URL", "postgresql://user:p@ss#w@host/database", f"REPORTS_DATABASE_URL {SPECIAL}"),
        ("REPORTS_DATABASE_URL", "postgresql://user:p@ss:w@host/database", f"REPORTS_DATABASE_URL {SPECIAL}"),
        ("REPORTS_DATABASE_URL", "postgresql://user:p@ss/w@host/database", f"REPORTS_DATABASE_URL {SPECIAL}"),
        ("REPORTS_DATABASE_URL", "postgresql://user:p@ss?w@host/database", f"REPORTS_DATABASE_URL {SPECIAL}"),
        (
            "REPORTS_DATABASES",
            '{"warehouse": "mysql://user:p@ss@host/database"}',
            f"REPORTS_DATABASES must contain valid URLs: warehouse {SPECIAL}",
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
    "url",
    [
        "postgresql://user:p%40ss%23w@host/shop",
        "postgresql://user:p/a#s?s:w@host:5432/shop?sslmode=require&options=-c%20x=a@b",
        "postgresql://user@server:secret@host/shop",
        "postgresql://user:secret@/shop?host=/run/a@b",
        "sqlite:////home/ada@example.org/shop.db",
    ],
)
def test_a_url_with_an_encoded_or_unambiguous_password_is_accepted(url: str) -> None:
    assert check_settings({"REPORTS_DATABASE_URL": url}) is None


WHOLE, NUMBER = ("1.5", " must be a whole number."), ("many", " must be a number.")
URL = (
    "exports.example.com/shop",
    " must be an http or https URL, such as https://exports.example.com.",
)
MISTAKES = {
    "PUBLIC_URL": URL,
    "DOCS_URL": URL,
    "LINK_SECONDS": ("604801", " must be at most 604,800."),
    "STATEMENT_SECONDS": WHOLE,
    "SILENCE_SECONDS": ("0.5", " must be at least 1."),
    "ATTEMPTS": ("0", " must be at least 1."),
    "RETRY_SECONDS": NUMBER,
    "RUNNING_PER_CALLER": WHOLE,
    "ROWS_PER_EXPORT": WHOLE,
    "RETENTION_DAYS": ("3651", " must be at most 3,650."),
    "HISTORY_DAYS": WHOLE,
    "WEBHOOK_PRIVATE_HOSTS": (
        "hooks.internal,https://hooks.internal",
        ": 'https://hooks.internal' is not a host; write host or host:port, without a scheme or path.",
    ),
    "WEBHOOK_ATTEMPTS": WHOLE,
    "WEBHOOK_RETRY_SECONDS": NUMBER,
    "LOG_FORMAT": ("xml", " must be 'text' or 'json'."),
    "DEPLOYMENT": (
        "export",
        " must be the names of a flow and a deployment, such as export-report/export.",
    ),
    "OUTAGE_SECONDS": ("0", " must be greater than 0."),
    "TABLE_SECONDS": WHOLE,
    "JWT_KEY_FILE": ("key.pem", " needs REPORTS_JWT_ISSUER and REPORTS_JWT_AUDIENCE."),
    "JWT_ALGORITHM": ("HS256", " must be 'RS256', 'ES256' or 'EdDSA'."),
    "JWT_PII": ("perhaps", " must be true or false."),
    "ALLOWED_HOSTS": (
        "https://a.example.com",
        ": 'https://a.example.com' is not a host name; write it without a scheme, port or path.",
    ),
    "S3_PUBLIC_URL": (
        "files.example.com",
        ": 'files.example.com' is not the address of an S3 server; write http:// or https:// and the host"
        " without a path, such as https://files.example.com.",
    ),
    "CORS_ORIGINS": (
        "app.example.com",
        ": 'app.example.com' is not an origin; write it as browsers send it, in lower case and without path,"
        " such as https://app.example.com or http://localhost:3000.",
    ),
    "FRAME_ANCESTORS": (
        "*",
        ": '*' is not a site; write 'self', or a scheme and a host such as https://intranet.example.com or"
        " https://*.example.com.",
    ),
    "QUEUED_PER_CALLER": WHOLE,
    "STARTS_PER_SECOND": NUMBER,
    "STARTS_BURST": WHOLE,
    "SCHEDULES_PER_CALLER": WHOLE,
    "PREVIEWS_PER_SECOND": NUMBER,
    "PREVIEWS_BURST": WHOLE,
    "TOKENS_PER_SECOND": NUMBER,
    "TOKENS_BURST": WHOLE,
}
# Tests above and in test_mistakes.py check the first five settings. The others accept any text, and the files
# may be created later.
CHECKED_ELSEWHERE = {"DATABASE_URL", "DATABASES", "STORAGE_URL", "CATALOG", "DEFAULT_REPORT"}
ANY_TEXT = {"WORK_POOL", "WORKER_ENTRYPOINTS", "JWT_ISSUER", "JWT_AUDIENCE"}
FILES = {"KEYS_FILE", "TOKEN_SECRET_FILE", "WEBHOOK_SECRET_FILE", "WEBHOOK_CA_FILE"}


@pytest.mark.parametrize("field", ApiSettings.model_fields)
def test_each_setting_has_a_message_for_an_invalid_value(field: str) -> None:
    name = field.upper()
    if name not in CHECKED_ELSEWHERE | ANY_TEXT | FILES:
        value, message = MISTAKES[name]
        settings = {"REPORTS_DATABASE_URL": "sqlite://", f"REPORTS_{name}": value}
        assert check_settings(settings) == f"REPORTS_{name}{message}"


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    settings = load_settings({f"REPORTS_{name}": str(path)})
    assert list(find_unreadable_files(settings)) == [
        f"REPORTS_{name}: {path} does not exist or cannot be read."
    ]
    path.touch()
    assert list(find_unreadable_files(settings)) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, " cannot be read: No such file or directory."),
        ("not a key", " contains no public key (PEM) for RS256."),
    ],
)
def test_an_unusable_jwt_key_ends_the_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    message: str,
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_text(content)
    for name, value in (("KEY_FILE", str(path)), ("ISSUER", "shop"), ("AUDIENCE", "exports")):
        monkeypatch.setenv(f"REPORTS_JWT_{name}", value)
    monkeypatch.setenv("REPORTS_DATABASE_URL", "sqlite://")
    monkeypatch.setenv("REPORTS_STORAGE_URL", "file:///files")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert cli.main(["api"]) == 2
    assert f"REPORTS_JWT_KEY_FILE: {path}{message}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["up"])
    assert f"REPORTS_JWT_KEY_FILE: {path}{message}" in capsys.readouterr().err


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
