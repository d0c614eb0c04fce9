"""Test `POST /tokens` and the tokens that it creates. The real API runs in this process."""

import json
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient, Response

from api.access.api_keys import KeyFile
from tests.support.app_in_process import application, call
from tests.support.clock import NOON

SURVEY, OTHER = "668b6fa3b8d693cd865b44bb", "678460aa4e2f1b00c7d3095e"
BODY = {"caller": "ada", "reports": ["survey-responses"], "allow": {"surveyId": [SURVEY]}, "minutes": 5}


class Api:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
        self.keys = KeyFile(folder / "keys.json")
        secret = folder / "secret"
        secret.write_text("s" * 24)
        values = {"REPORTS_KEYS_FILE": str(folder / "keys.json"), "REPORTS_TOKEN_SECRET_FILE": str(secret)}
        self.app = application(monkeypatch, folder, **values | settings)

    def key(self, caller: str = "shop", **rights: Any) -> str:
        return self.keys.create(caller, now=NOON, **{"reports": None, "pii": True, "allow": None} | rights)

    def send(self, *requests: tuple[str, str, str, Any]) -> list[Response]:
        """Send requests, each with its credential, method, path and body.

        An empty credential stands for the token in the previous response.
        """

        async def send(client: AsyncClient) -> list[Response]:
            answers: list[Response] = []
            for credential, method, path, body in requests:
                credential = credential or answers[-1].json()["token"]
                headers = {"Authorization": f"Bearer {credential}"}
                content = {} if body is None else {"json": body}
                answers.append(await client.request(method, path, headers=headers, **content))
            return answers

        return call(self.app, send)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    return Api(tmp_path, monkeypatch)


def test_a_token_can_use_only_its_report(api: Api) -> None:
    token, types = api.send((api.key(), "POST", "/tokens", BODY), ("", "GET", "/report-types", None))
    assert token.status_code == 201
    assert token.headers["cache-control"] == "no-store"
    assert set(token.json()) == {"token", "id", "caller", "expiresAt"}
    assert token.json()["caller"] == "shop/ada"
    assert [item["name"] for item in types.json()["items"]] == ["survey-responses"]


def test_a_token_cannot_create_tokens(api: Api) -> None:
    _, answer = api.send((api.key(), "POST", "/tokens", BODY), ("", "POST", "/tokens", BODY))
    assert (answer.status_code, answer.json()["detail"]) == (403, "Only an API key can create tokens.")


def test_the_rights_of_the_key_are_the_default(api: Api) -> None:
    key = api.key(reports=["orders"], pii=False)
    _, types = api.send((key, "POST", "/tokens", {"caller": "ada"}), ("", "GET", "/report-types", None))
    assert [item["name"] for item in types.json()["items"]] == ["orders"]


# Each entry contains changes to BODY, the pointer of the expected error, and part of the error's message.
MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"caller": None}, "/caller", "This field is required."),
    ({"caller": ""}, "/caller", "Must be 1 to 195 visible ASCII"),
    ({"caller": 7}, "/caller", "Must be 1 to 195 visible ASCII"),
    ({"caller": "a b"}, "/caller", "Must be 1 to 195 visible ASCII"),
    ({"caller": "a/b"}, "/caller", "without spaces and slashes"),
    ({"caller": "é"}, "/caller", "visible ASCII"),
    ({"caller": "x" * 196}, "/caller", "Must be 1 to 195"),
    ({"caller": "taken"}, "/caller", "An API key belongs to the caller shop/taken"),
    ({"reports": []}, "/reports", "at least one report"),
    ({"reports": "orders"}, "/reports", "Must be a list"),
    ({"reports": ["survey-responses", "nothing"]}, "/reports/1", "Unknown report."),
    ({"reports": ["orders"]}, "/reports/0", "Unknown report."),
    ({"allow": []}, "/allow", "Must be an object"),
    ({"allow": {"surveyId": SURVEY}}, "/allow", "a list of values for each claim"),
    ({"allow": {"country": ["DE"]}}, "/allow/country", "No report restricts its rows by this claim."),
    ({"allow": {"surveyId": [SURVEY, OTHER]}}, "/allow/surveyId/1", "does not allow this value"),
    ({"allow": {"surveyId": ["*"]}}, "/allow/surveyId/0", "does not allow this value"),
    ({"allow": {"surveyId": [True]}}, "/allow/surveyId/0", "does not allow this value"),
    ({"pii": True}, "/pii", "does not give access to personal data"),
    ({"pii": "no"}, "/pii", "Must be true or false"),
    ({"minutes": 0}, "/minutes", "Must be a whole number from 1 to 1440"),
    ({"minutes": 1441}, "/minutes", "Must be a whole number from 1 to 1440"),
    ({"minutes": 1.5}, "/minutes", "Must be a whole number from 1 to 1440"),
    ({"minutes": True}, "/minutes", "Must be a whole number from 1 to 1440"),
    ({"seconds": 5}, "/seconds", "Unknown field."),
]


def test_more_rights_than_the_key_and_malformed_requests_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key allows only one survey and no personal data."""
    api = Api(tmp_path, monkeypatch, REPORTS_TOKENS_BURST="1000")
    api.key("shop/taken")
    key = api.key(reports=["survey-responses"], pii=False, allow={"surveyId": [SURVEY]})
    answers = api.send(*((key, "POST", "/tokens", BODY | change) for change, _, _ in MISTAKES))
    for (change, pointer, detail), answer in zip(MISTAKES, answers, strict=True):
        assert answer.status_code == 422, change
        (error,) = answer.json()["errors"]
        assert error["pointer"] == pointer, change
        assert detail in error["detail"], change


def test_a_token_that_no_proxy_would_accept_is_not_created(api: Api) -> None:
    body = BODY | {"allow": {"surveyId": [f"{number:024x}" for number in range(400)]}}
    (answer,) = api.send((api.key(), "POST", "/tokens", body))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/allow")


def test_tokens_are_rate_limited_by_the_caller_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(tmp_path, monkeypatch, REPORTS_TOKENS_BURST="2", REPORTS_TOKENS_PER_SECOND="0.01")
    first, second, other = api.key(), api.key(), api.key("market")
    answers = api.send(*((key, "POST", "/tokens", BODY) for key in (first, second, first, second, other)))
    assert [answer.status_code for answer in answers] == [201, 201, 429, 429, 201]
    assert int(answers[2].headers["retry-after"]) > 50


def test_tokens_are_off_without_a_secret_or_an_api_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(tmp_path, monkeypatch, REPORTS_TOKEN_SECRET_FILE=str(tmp_path / "missing"))
    (answer,) = api.send((api.key(), "POST", "/tokens", BODY))
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
    (answer,) = api.send(("wrong", "POST", "/tokens", BODY))
    assert answer.status_code == 401


def test_without_authentication_nobody_can_create_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = application(monkeypatch, tmp_path)

    async def send(client: AsyncClient) -> Response:
        return await client.post("/tokens", json=BODY)

    assert call(app, send).status_code == 404


def test_the_audit_log_names_key_user_and_rights_but_not_the_token(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "report_exports.audit")
    key = api.key()
    created, refused = api.send((key, "POST", "/tokens", BODY), (key, "POST", "/tokens", {}))
    assert refused.status_code == 422
    lines = [
        json.loads(record.getMessage().partition(" ")[2])
        for record in caplog.records
        if record.name == "report_exports.audit" and record.getMessage().startswith("token.create")
    ]
    assert [line["outcome"] for line in lines] == ["done", "refused"]
    assert (lines[0]["caller"], lines[0]["key"]) == ("shop", key[4:12])
    token = lines[0]["token"]
    assert token.pop("id") == created.json()["id"]
    assert token.pop("expiresAt")
    assert token == {
        "caller": "shop/ada",
        "reports": ["survey-responses"],
        "pii": True,
        "allow": {"surveyId": [SURVEY]},
    }
    assert created.json()["token"] not in caplog.text
