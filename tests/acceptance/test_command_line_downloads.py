"""Test that a faulty download leaves either a complete, verified file or no file."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.command_line import ARTICLES_OPTIONS, Result, list_files, run
from tests.support.export_client import Session
from tests.support.flaky_proxy import Answer, FlakyProxy, flaky_proxy
from tests.support.running_stack import Stack


@pytest.fixture
def front(stack: Stack) -> Iterator[FlakyProxy]:
    with flaky_proxy(stack.api_url) as proxy:
        yield proxy


def export(front: FlakyProxy, folder: Path, *options: str, **settings: str) -> Result:
    return run(front.url, folder, "export", *ARTICLES_OPTIONS, *options, **settings)


def altered(number: int, answer: Answer) -> None:
    answer.body = answer.body[:-2] + b"?\n"


def longer(number: int, answer: Answer) -> None:
    answer.body += b"1,2,3\n"


def shorter(number: int, answer: Answer) -> None:
    """Truncate the response body, keep the response headers and reject range requests."""
    if answer.status == 206:
        answer.status, answer.body = 416, b""
    answer.body = answer.body[:10_000]


def empty(number: int, answer: Answer) -> None:
    answer.status, answer.body = 200, b""


def cut(number: int, answer: Answer) -> None:
    if number <= 2:
        answer.cut_after = 10_000


def test_an_undisturbed_download_is_the_file(front: FlakyProxy, article: Session, tmp_path: Path) -> None:
    assert export(front, tmp_path, "-o", "week.csv").code == 0
    assert (tmp_path / "week.csv").read_bytes() == article.file()
    assert len(front.downloads) == 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (altered, "its SHA-256 differs from its receipt"),
        (longer, "it is longer than its receipt says"),
        (shorter, "it ends after 10,000 of "),
        (empty, "it ends after 0 of "),
    ],
)
@pytest.mark.parametrize("existing", [True, False])
def test_a_file_that_differs_from_its_receipt_exits_with_4(
    front: FlakyProxy, tmp_path: Path, spoil: object, reason: str, existing: bool
) -> None:
    front.tamper_download = spoil  # type: ignore[assignment]
    if existing:
        (tmp_path / "week.csv").write_text("mine")
    ran = export(front, tmp_path, "-o", "week.csv", "--force")
    assert ran.code == 4
    assert f"report-exports: The file failed verification: {reason}" in ran.stderr
    assert "Export id: " in ran.stderr
    assert list_files(tmp_path) == (["week.csv"] if existing else [])
    if existing:
        assert (tmp_path / "week.csv").read_text() == "mine"


def test_a_failed_verification_on_stdout_exits_with_4(front: FlakyProxy, tmp_path: Path) -> None:
    front.tamper_download = altered
    assert export(front, tmp_path, "-o", "-").code == 4


@pytest.mark.parametrize("output", ["week.csv", "-"])
def test_an_interrupted_download_resumes(
    front: FlakyProxy, article: Session, tmp_path: Path, output: str
) -> None:
    front.tamper_download = cut
    ran = export(front, tmp_path, "-o", output)
    assert ran.code == 0
    content = ran.stdout if output == "-" else (tmp_path / output).read_bytes()
    assert content == article.file()
    ranges = [request.headers.get("range") for request in front.downloads]
    assert ranges == [None, "bytes=10000-", "bytes=20000-"]
    assert len(set(front.links)) >= 1
    assert len(front.links) == 3, "each attempt requests a new link"


@pytest.mark.parametrize("output", ["week.csv", "-"])
def test_a_storage_without_ranges_is_read_from_the_start(
    front: FlakyProxy, article: Session, tmp_path: Path, output: str
) -> None:
    whole = article.file()

    def spoil(number: int, answer: Answer) -> None:
        answer.status, answer.body = 200, whole
        answer.headers.pop("content-range", None)
        cut(number, answer)
        if number == 2:
            answer.cut_after = 20_000

    front.tamper_download = spoil
    ran = export(front, tmp_path, "-o", output)
    assert ran.code == 0
    assert (ran.stdout if output == "-" else (tmp_path / output).read_bytes()) == whole


def test_an_expired_link_is_replaced(front: FlakyProxy, article: Session, tmp_path: Path) -> None:
    def spoil(number: int, answer: Answer) -> None:
        if number == 1:
            answer.status, answer.body = 403, b"<Error><Code>AccessDenied</Code></Error>"

    front.tamper_download = spoil
    assert export(front, tmp_path, "-o", "week.csv").code == 0
    assert (tmp_path / "week.csv").read_bytes() == article.file()
    assert len(front.links) == 2


def test_a_storage_that_keeps_refusing_exits_with_1(front: FlakyProxy, tmp_path: Path) -> None:
    def spoil(number: int, answer: Answer) -> None:
        answer.status, answer.body = 403, b"<Error><Code>AccessDenied</Code></Error>"

    front.tamper_download = spoil
    ran = export(front, tmp_path, "-o", "week.csv")
    assert ran.code == 1
    assert "The file storage rejected the download (403). Export id: " in ran.stderr
    assert list_files(tmp_path) == []


def test_an_unavailable_storage_exits_with_3(front: FlakyProxy, tmp_path: Path) -> None:
    def spoil(number: int, answer: Answer) -> None:
        answer.status, answer.body = 503, b""

    front.tamper_download = spoil
    assert export(front, tmp_path, "-o", "week.csv", "--timeout", "2").code == 3
    assert list_files(tmp_path) == []


def test_retried_requests_start_one_export(front: FlakyProxy, tmp_path: Path) -> None:
    """The first attempt at each request gets no response, and the second gets a 503 response."""

    def spoil(number: int, answer: Answer) -> None:
        if number % 3 == 1:
            answer.body, answer.cut_after = b"", 0
        elif number % 3 == 2:
            answer.status, answer.headers["retry-after"] = 503, "0"

    front.tamper_call = spoil
    ran = export(front, tmp_path, "-o", "week.csv")
    assert ran.code == 0
    starts = [request.headers["idempotency-key"] for request in front.requests if request.path == "/exports"]
    assert len(starts) == 3
    assert len(set(starts)) == 1
    assert "is not responding. Trying again in" in ran.stderr


def test_a_rate_limit_may_take_longer_than_the_timeout(front: FlakyProxy, tmp_path: Path) -> None:
    def spoil(number: int, answer: Answer) -> None:
        if number in (1, 4):
            answer.status, answer.headers["retry-after"] = 429, "2"

    front.tamper_call = spoil
    ran = export(front, tmp_path, "-o", "week.csv", "--timeout", "1")
    assert ran.code == 0
    assert ran.stderr.count("Trying again in 2 s.") == 2


def test_the_api_key_is_sent_only_to_the_service(front: FlakyProxy, tmp_path: Path) -> None:
    assert export(front, tmp_path, "-o", "week.csv", REPORTS_API_KEY="canary").code == 0
    calls = [request for request in front.requests if request not in front.downloads]
    assert {call.headers.get("authorization") for call in calls} == {"Bearer canary"}
    assert {download.headers.get("authorization") for download in front.downloads} == {None}


def test_it_uses_long_polls(front: FlakyProxy, tmp_path: Path) -> None:
    assert export(front, tmp_path, "-o", "week.csv").code == 0
    gets = [request for request in front.requests if request.method == "GET"]
    polls = [get for get in gets if get.path.startswith("/exports/") and get.path.count("/") == 2]
    assert polls
    assert {poll.headers.get("prefer") for poll in polls} == {"wait=20"}


def test_an_export_deleted_before_its_download_exits_with_1(front: FlakyProxy, tmp_path: Path) -> None:
    def spoil(number: int, answer: Answer) -> None:
        if b'"status":"done"' in answer.body:
            job_id = front.requests[-1].path.rpartition("/")[2]
            httpx.delete(f"{front.target}/exports/{job_id}", trust_env=False).raise_for_status()

    front.tamper_call = spoil
    ran = export(front, tmp_path, "-o", "week.csv")
    assert ran.code == 1
    assert "No export has this id. Export id: " in ran.stderr
    assert list_files(tmp_path) == []
