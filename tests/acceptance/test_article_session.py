"""Test the API's responses in the example session from the article."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.acceptance.conftest import REQUESTS
from tests.support.export_client import ARTICLES_REQUEST, Session, start

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
UNFINISHED = re.compile(r"waiting for a worker|counting rows|[\d,]+ of 222 rows")
FILE_NAME = "survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv"
IN_PROGRESS = re.compile(r'\{"data":\{"status":"in-progress","progress":(\d{1,2})\},"status":200\}')
DONE = re.compile(r'\{"data":\{"status":"done","progress":100,"url":"([^"]+)"\},"status":200\}')
ONE_ROW_FILE = """\
Response,Submitted at,Attended,UTM source,Name,E-mail,Country,Score,Comment,How easy was it to book?,\
Where did you get stuck?
50000,2024-09-24T05:06:12.507000+00:00,true,wa,王 小明,respondent50000@example.org,AE,2,,4,\
"On the last page, ""payment"",
for a minute."
"""


def download_url(session: Session) -> str:
    return str(session.data["url"])


def test_the_start_returns_only_the_id(article: Session) -> None:
    assert article.start_response is not None
    assert article.start_response.status_code == 200
    assert re.fullmatch(rf'\{{"data":"{UUID}"\}}', article.start_response.text)
    headers = article.start_response.headers
    assert headers["content-type"] == "application/json"
    assert headers["location"] == f"/exports/{article.id}"
    assert headers["retry-after"] == "1"
    assert headers["cache-control"] == "no-store"
    assert "idempotent-replayed" not in headers


def test_every_poll_has_the_articles_body(sessions: dict[str, Session]) -> None:
    for session in sessions.values():
        *earlier, last = session.polls
        assert earlier
        assert all(IN_PROGRESS.fullmatch(poll.text) for poll in earlier)
        assert DONE.fullmatch(last.text)


def test_progress_never_falls_and_reaches_100_only_with_the_link(sessions: dict[str, Session]) -> None:
    for session in sessions.values():
        *earlier, last = [poll.json()["data"]["progress"] for poll in session.polls]
        assert earlier == sorted(earlier)
        assert earlier[0] == 0
        assert earlier[-1] <= 99
        assert last == 100


def test_poll_headers_give_the_progress_and_when_to_poll_again(article: Session) -> None:
    *earlier, last = article.polls
    for poll in article.polls:
        assert poll.headers["cache-control"] == "no-store"
        assert poll.headers["content-type"] == "application/json"
    for poll in earlier:
        assert poll.headers["retry-after"] in ("1", "2", "5", "10")
        assert poll.headers["x-export-status"] == "202"
        assert UNFINISHED.fullmatch(poll.headers["x-progress"])
    assert earlier[0].headers["retry-after"] == "1"
    assert "retry-after" not in last.headers
    assert last.headers["x-export-status"] == "200"
    assert re.fullmatch(r"(\d+) of \1 rows", last.headers["x-progress"])


def test_the_link_stays_the_same_and_expires_after_an_hour(api: httpx.Client, article: Session) -> None:
    polls = [api.get("/reports/csv", params={"jobId": article.id}) for _ in range(3)]
    assert {poll.json()["data"]["url"] for poll in polls} == {download_url(article)}
    assert httpx.URL(download_url(article)).params["X-Amz-Expires"] == "3600"
    expires_at = datetime.fromisoformat(state_of(api, article)["file"]["urlExpiresAt"])
    assert expires_at - datetime.now(UTC) > timedelta(minutes=15)


def test_the_link_serves_a_named_csv_file(article: Session) -> None:
    answer = httpx.get(download_url(article))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{FILE_NAME}"'


def test_a_link_without_a_valid_signature_is_refused(article: Session) -> None:
    url = download_url(article)
    other_file = url.replace(article.id, "899e1228-d7b8-40fc-8490-70e6f1efb338")
    tampered = [
        url.partition("?")[0],
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        url.replace(".csv%22", ".exe%22"),
        other_file,
    ]
    assert url not in tampered
    assert [httpx.get(url).status_code for url in tampered] == [403] * len(tampered)


def test_the_receipt_matches_the_file(api: httpx.Client, sessions: dict[str, Session]) -> None:
    for session in sessions.values():
        content, file = session.file(), state_of(api, session)["file"]
        assert file["bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["url"] == download_url(session)


def test_the_full_state_of_a_finished_export(api: httpx.Client, article: Session) -> None:
    state = state_of(api, article)
    created, started, finished, snapshot, heartbeat = (
        datetime.fromisoformat(state.pop(name))
        for name in ("createdAt", "startedAt", "finishedAt", "snapshotAt", "heartbeatAt")
    )
    assert created < started < snapshot < heartbeat < finished
    file = state.pop("file")
    assert (file["name"], file["rows"]) == (FILE_NAME, 222)
    self_url = f"{api.base_url}/exports/{article.id}".replace("//exports", "/exports")
    assert state == {
        "id": article.id,
        "report": "survey-responses",
        "name": None,
        "status": "done",
        "phase": None,
        "progress": 100,
        "rows": {"expected": 222, "written": 222},
        "queue": {"position": 0},
        "etaSeconds": None,
        "timeZone": "UTC",
        "request": ARTICLES_REQUEST,
        "attempt": 1,
        "error": None,
        "scheduleId": None,
        "retryOf": None,
        "links": {
            "self": self_url,
            "cancel": None,
            "retry": f"{self_url}/retry",
            "download": f"{self_url}/download",
            "manifest": f"{self_url}/manifest",
        },
    }


def test_the_download_route_redirects_to_the_file(api: httpx.Client, article: Session) -> None:
    answer = api.get(f"/exports/{article.id}/download")
    assert answer.status_code == 303
    assert answer.headers["cache-control"] == "no-store"
    assert httpx.get(answer.headers["location"]).content == article.file()


def test_an_export_without_rows_is_a_header(sessions: dict[str, Session]) -> None:
    session = sessions["no rows"]
    assert session.file().decode() == (
        "Response,Submitted at,Attended,UTM source,Name,E-mail,Country,Score,Comment,"
        '"Would you come in winter, too?",Which day would suit you?\n'
    )
    assert session.polls[-1].headers["x-progress"] == "0 of 0 rows"


def test_an_export_of_one_row_has_one_row(api: httpx.Client, sessions: dict[str, Session]) -> None:
    assert sessions["one row"].file().decode() == ONE_ROW_FILE
    assert state_of(api, sessions["one row"])["file"]["rows"] == 1


def test_prefer_respond_async_returns_202_with_the_same_body(
    api: httpx.Client, sessions: dict[str, Session]
) -> None:
    response = start(api, REQUESTS["no rows"] | {"name": "preferred"}, Prefer="respond-async").start_response
    assert response is not None
    assert response.status_code == 202
    assert re.fullmatch(rf'\{{"data":"{UUID}"\}}', response.text)


def test_an_unknown_job_has_the_articles_message(api: httpx.Client) -> None:
    answer = api.get("/reports/csv", params={"jobId": "899e1228-d7b8-40fc-8490-70e6f1efb338"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no job with this id.",
        "errors": [{"pointer": "/jobId", "code": "unknown", "detail": "There is no job with this id."}],
        "data": None,
        "message": "Job Id not found!",
    }


def state_of(api: httpx.Client, session: Session) -> dict[str, Any]:
    return dict(api.get(f"/exports/{session.id}").raise_for_status().json())
