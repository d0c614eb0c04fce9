import json
from pathlib import Path

import pytest

from api.access.api_keys import KeyFile
from api.access.caller import Caller
from deployments.cli import main
from flows import audit


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "keys.json"
    for name in ("REPORTS_DATABASE_URL", "REPORTS_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPORTS_KEYS_FILE", str(file))
    return file


def create(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["keys", "create", "--caller", "ada", *options]) == 0
    return capsys.readouterr().out.strip()


def test_a_created_key_identifies_its_caller(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = create(capsys, "--report", "orders")
    assert KeyFile(path).caller_of(token) == Caller("ada", frozenset({"orders"}))


def test_no_pii_creates_a_key_that_masks_personal_data(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert KeyFile(path).caller_of(create(capsys, "--no-pii")) == Caller("ada", sees_pii=False)
    assert main(["keys", "list"]) == 0
    assert "pii masked" in capsys.readouterr().out


def test_the_list_shows_ids_and_callers_but_no_secret(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = create(capsys)
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert token[4:12] in listed
    assert "ada" in listed
    assert token[13:] not in listed


def test_a_revoked_key_is_invalid(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = create(capsys)
    assert main(["keys", "revoke", token[4:12]]) == 0
    assert KeyFile(path).caller_of(token) is None
    assert main(["keys", "revoke", token[4:12]]) == 2


def test_without_a_file_the_error_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REPORTS_KEYS_FILE", raising=False)
    assert main(["keys", "list"]) == 2
    assert "REPORTS_KEYS_FILE" in capsys.readouterr().err


def test_a_file_that_is_not_a_key_file_is_left_unchanged(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text("something else")
    assert main(["keys", "create", "--caller", "ada"]) == 1
    assert path.read_text() == "something else"


def test_allow_limits_the_rows_of_a_key(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--allow", "region=north", "--allow", "region=south=west", "--allow", "shop=*")
    caller = KeyFile(path).caller_of(create(capsys, *options))
    assert caller is not None
    assert caller.claims == {"region": {"north", "south=west"}, "shop": {"*"}}
    assert main(["keys", "list"]) == 0
    assert "region=north,south=west  shop=*" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "reports"),
    [
        ({}, "Reports: orders, survey-responses."),
        ({"REPORTS_DATABASE_URL": "sqlite://"}, "Name your reports in REPORTS_CATALOG."),
    ],
)
def test_a_key_for_an_unknown_report_is_rejected(
    path: Path,
    settings: dict[str, str],
    reports: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert main(["keys", "create", "--caller", "ada", "--report", "nonsense"]) == 2
    message = f"report-exports: --report: no report is named 'nonsense'. {reports}\n"
    assert capsys.readouterr().err == message
    assert not path.exists()


@pytest.mark.parametrize("claim", ["region", "=north", "region="])
def test_a_claim_without_name_or_value_is_rejected(claim: str, path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["keys", "create", "--caller", "ada", "--allow", claim])
    assert not path.exists()


def test_changes_of_keys_are_audited_without_the_key(
    path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    token = create(capsys, "--report", "orders", "--no-pii")
    assert main(["keys", "revoke", token[4:12]]) == 0
    created, revoked = [record.getMessage() for record in caplog.records if record.name == audit.LOGGER]
    fields = json.loads(created.partition(" ")[2])
    expected = {"action": "key.create", "caller": "ada", "key": token[4:12], "reports": ["orders"]}
    assert {**fields, **expected, "pii": False} == fields
    assert {"by", "from"} <= set(fields)
    assert json.loads(revoked.partition(" ")[2])["key"] == token[4:12]
    assert token[13:] not in created + revoked
