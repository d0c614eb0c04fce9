"""Test that invalid input starts nothing and is rejected with a 4xx response that names the field."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.export_client import SURVEY

GOOD = {"surveyId": SURVEY, "from": "2024-7-19", "to": "2024-7-26"}
NO_SUCH_SURVEY = "0" * 24
NO_SUCH_JOB = "899e1228-d7b8-40fc-8490-70e6f1efb338"
JSON = {"content-type": "application/json"}
TEN_MIB = 10 << 20


def filters(**values: Any) -> dict[str, Any]:
    return {"filters": values}


# Changes that make a valid body invalid, each with the expected status and JSON pointer.
FIELDS: list[tuple[dict[str, Any], int, str]] = [
    ({"surveyId": NO_SUCH_SURVEY}, 422, "/surveyId"),
    ({"surveyId": "668b6fa3b8d693cd865b44bB"}, 422, "/surveyId"),
    ({"surveyId": "668b6fa3b8d693cd865b44bb\n"}, 422, "/surveyId"),
    ({"surveyId": ""}, 422, "/surveyId"),
    ({"surveyId": None}, 422, "/surveyId"),
    ({"surveyId": 7}, 422, "/surveyId"),
    ({"surveyId": [SURVEY]}, 422, "/surveyId"),
    ({"surveyId": "' OR 1=1 --"}, 422, "/surveyId"),
    ({"report": "no-such-report"}, 422, "/report"),
    ({"report": ""}, 422, "/report"),
    ({"report": ["orders"]}, 422, "/report"),
    ({"report": "orders"}, 422, "/surveyId"),
    ({"from": "2024-13-1"}, 422, "/from"),
    ({"from": "2024-2-30"}, 422, "/from"),
    ({"from": "2023-2-29"}, 422, "/from"),
    ({"from": "0000-1-1"}, 422, "/from"),
    ({"from": "99999-1-1"}, 422, "/from"),
    ({"from": "1066-10-14"}, 422, "/from"),
    ({"from": "24-7-19"}, 422, "/from"),
    ({"from": "19.7.2024"}, 422, "/from"),
    ({"from": "2024-7-19 "}, 422, "/from"),
    ({"from": "2024-7-19\n"}, 422, "/from"),
    ({"from": "now"}, 422, "/from"),
    ({"from": "infinity"}, 422, "/from"),
    ({"from": ""}, 422, "/from"),
    ({"from": None}, 422, "/from"),
    ({"from": 1721347200}, 422, "/from"),
    ({"from": 1721347200.5}, 422, "/from"),
    ({"from": "1721347200"}, 422, "/from"),
    ({"from": True}, 422, "/from"),
    ({"from": {"date": "2024-7-19"}}, 422, "/from"),
    ({"from": "\uff12\uff10\uff12\uff14-7-19"}, 422, "/from"),
    ({"from": "\u0662\u0660\u0662\u0664-7-19"}, 422, "/from"),
    ({"from": "2024-07-19T10:00:00"}, 422, "/from"),
    ({"from": "2024-07-19T25:00:00Z"}, 422, "/from"),
    ({"from": "2024-07-19T10:00:00+99:00"}, 422, "/from"),
    ({"to": "2024-7-18"}, 422, "/to"),
    ({"to": "2023-7-26"}, 422, "/to"),
    ({"to": "9999-12-31"}, 422, "/to"),
    ({"to": "2025-7-26"}, 422, "/to"),  # the range exceeds 366 days
    ({"from": "2024-07-26T10:00:00Z", "to": "2024-07-26T10:00:00Z"}, 422, "/to"),
    ({"to": ["2024-7-26"]}, 422, "/to"),
    (filters(nosuch=1), 422, "/filters/nosuch"),
    (filters(respondentEmail="a@example.org"), 422, "/filters/respondentEmail"),
    (filters(**{"a/b~c": 1}), 422, "/filters/a~1b~0c"),
    (filters(isAttended="true"), 422, "/filters/isAttended"),
    (filters(isAttended=1), 422, "/filters/isAttended"),
    (filters(isAttended={"$ne": False}), 422, "/filters/isAttended/$ne"),
    (filters(utm=5), 422, "/filters/utm"),
    (filters(utm=[]), 422, "/filters/utm"),
    (filters(utm=["wa", 5]), 422, "/filters/utm"),
    (filters(utm=[["wa"]]), 422, "/filters/utm"),
    (filters(utm={"gt": ""}), 422, "/filters/utm/gt"),
    (filters(utm="x" * 1001), 422, "/filters/utm"),
    (filters(utm=["wa"] * 1001), 422, "/filters/utm"),
    ({"filters": []}, 422, "/filters"),
    ({"filters": "utm=wa"}, 422, "/filters"),
    ({"columns": ["id", "password"]}, 422, "/columns"),
    ({"columns": ["answers.nosuch"]}, 422, "/columns"),
    ({"columns": ["answers."]}, 422, "/columns"),
    ({"columns": ["id", "id"]}, 422, "/columns"),
    ({"columns": []}, 422, "/columns"),
    ({"columns": "id"}, 422, "/columns"),
    ({"columns": [1]}, 422, "/columns"),
    ({"columns": {"id": True}}, 422, "/columns"),
    ({"sort": "nosuch"}, 422, "/sort"),
    ({"sort": "--id"}, 422, "/sort"),
    ({"sort": "id,-id"}, 422, "/sort"),
    ({"sort": ""}, 422, "/sort"),
    ({"sort": "id; DROP TABLE surveys"}, 422, "/sort"),
    ({"sort": ["id"]}, 422, "/sort"),
    ({"sort": 1}, 422, "/sort"),
    ({"timeZone": "Mars/Olympus"}, 422, "/timeZone"),
    ({"timeZone": "../etc/passwd"}, 422, "/timeZone"),
    ({"timeZone": 2}, 422, "/timeZone"),
    ({"csv": "no-such-preset"}, 422, "/csv/preset"),
    ({"csv": {"preset": []}}, 422, "/csv/preset"),
    ({"csv": {"delimiter": '"'}}, 422, "/csv/delimiter"),
    ({"csv": {"delimiter": "\n"}}, 422, "/csv/delimiter"),
    ({"csv": {"delimiter": "ab"}}, 422, "/csv/delimiter"),
    ({"csv": {"delimiter": None}}, 422, "/csv/delimiter"),
    ({"csv": {"lineEnding": "cr"}}, 422, "/csv/lineEnding"),
    ({"csv": {"byteOrderMark": "true"}}, 422, "/csv/byteOrderMark"),
    ({"csv": {"header": "loud"}}, 422, "/csv/header"),
    ({"csv": {"header": ["labels"]}}, 422, "/csv/header"),
    ({"csv": {"decimalMark": "'"}}, 422, "/csv/decimalMark"),
    ({"csv": {"decimalMark": ","}}, 422, "/csv/decimalMark"),
    ({"csv": {"preset": "excel", "decimalMark": ","}}, 422, "/csv/decimalMark"),
    ({"csv": {"dateTimes": "unix"}}, 422, "/csv/dateTimes"),
    ({"csv": {"formulaGuard": 1}}, 422, "/csv/formulaGuard"),
    ({"csv": {"compression": "rar"}}, 422, "/csv/compression"),
    ({"csv": {"preset": "excel", "compression": "gzip"}}, 422, "/csv/compression"),
    ({"csv": {"splitRows": 1000}}, 422, "/csv/splitRows"),
    ({"csv": {"splitRows": 1000, "compression": "gzip"}}, 422, "/csv/splitRows"),
    ({"csv": {"splitRows": 1_048_576, "compression": "zip"}}, 422, "/csv/splitRows"),
    ({"csv": {"splitRows": 0, "compression": "zip"}}, 422, "/csv/splitRows"),
    ({"csv": {"quote": "'"}}, 422, "/csv/quote"),
    ({"csv": []}, 422, "/csv"),
    ({"csv": 1}, 422, "/csv"),
    ({"name": ""}, 422, "/name"),
    ({"name": "x" * 201}, 422, "/name"),
    ({"name": "two\nlines"}, 422, "/name"),
    ({"name": "\u202egnp.exe"}, 422, "/name"),
    ({"name": 7}, 422, "/name"),
    ({"unknown": 1}, 422, "/unknown"),
    ({"": 1}, 422, "/"),
]
# Raw request bodies, each with a description and the expected status and JSON pointer.
BODIES: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 400, ""),
    ("not JSON", b"surveyId=1", 400, ""),
    ("truncated", json.dumps(GOOD).encode()[:-1], 400, ""),
    ("two values", json.dumps(GOOD).encode() * 2, 400, ""),
    ("a trailing comma", b'{"surveyId":"x",}', 400, ""),
    ("NaN", b'{"surveyId":NaN}', 400, ""),
    ("Infinity", b'{"filters":{"utm":-Infinity}}', 400, ""),
    ("a number too large for a float", b'{"from":1e999}', 422, "/from"),
    ("an integer of 5000 digits", b'{"from":' + b"9" * 5000 + b"}", 400, ""),
    ("not UTF-8", b'{"surveyId":"\xff"}', 400, ""),
    ("UTF-16", json.dumps(GOOD).encode("utf-16"), 400, ""),
    ("a byte order mark", b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), 400, ""),
    ("NUL in a value", rb'{"filters":{"utm":"a\u0000b"}}', 422, "/filters/utm"),
    ("NUL in a key", rb'{"a\u0000b":1}', 422, ""),
    ("a lone surrogate", rb'{"name":"\ud83d"}', 422, "/name"),
    ("a duplicate key", b'{"from":"2024-7-19","from":"2024-7-20"}', 400, "/from"),
    ("a duplicate filter", b'{"filters":{"utm":"wa","utm":"fb"}}', 400, "/utm"),
    ("a list", b"[]", 422, ""),
    ("null", b"null", 422, ""),
    ("a string", b'"x"', 422, ""),
    ("900 lists deep", b"[" * 900 + b"]" * 900, 400, "/0" * 16),
    ("900 objects deep", b'{"a":' * 900 + b"1" + b"}" * 900, 400, "/a" * 16),
    ("60,000 lists deep, truncated", b"[" * 60_000, 400, ""),
]
CONTENT_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "",
    "json",
]
JOB_IDS: list[tuple[str, int]] = [
    ("", 422),
    ("jobId=", 422),
    ("jobId=899e1228", 422),
    ("jobId=899e1228d7b840fc849070e6f1efb338", 422),
    ("jobId={899e1228-d7b8-40fc-8490-70e6f1efb338}", 422),
    (f"jobId={NO_SUCH_JOB}%0A", 422),
    (f"jobId={NO_SUCH_JOB}%00", 422),
    (f"jobId={NO_SUCH_JOB}&jobId={NO_SUCH_JOB}", 422),
    ("jobId=*", 422),
    ("jobId=%EF%BC%98" + NO_SUCH_JOB[1:], 422),
    (f"jobId={NO_SUCH_JOB}", 404),
    (f"jobId={NO_SUCH_JOB.upper()}", 404),
]
TABLE: list[tuple[str, str, int, str]] = [
    *[
        ("page", text, 422, "/page")
        for text in ("0", "-1", "1.5", "x", "", "٣", "9999999999", "1e3", "1000001")
    ],
    *[("pageSize", text, 422, "/pageSize") for text in ("0", "201", "-5", "all", "")],
    *[
        ("cursor", text, 422, "/cursor")
        for text in ("", "x", "!!", "AAAA", "WyJ4Il0", "ö", "W10", "e30", "MQ")
    ],
    ("from", "2024-13-1", 422, "/from"),
    ("to", "2024-7-18", 422, "/to"),
    ("surveyId", NO_SUCH_SURVEY, 422, "/surveyId"),
    ("report", "nosuch", 422, "/report"),
    ("sort", "nosuch", 422, "/sort"),
    ("columns", "id,nosuch", 422, "/columns"),
    ("columns", "answers.nosuch", 422, "/columns"),
    ("columns", "", 422, "/columns"),
    ("utm", "\0", 422, "/utm"),
    ("isAttended", "yes", 422, "/isAttended"),
    ("nosuch", "1", 422, "/nosuch"),
    ("filters", "{", 400, "/filters"),
    ("filters", "[]", 422, "/filters"),
    ("filters", '{"utm":5}', 422, "/utm"),
    ("filters", '{"nosuch":5}', 422, "/nosuch"),
    ("timeZone", "Mars/Olympus", 422, "/timeZone"),
]

# All lists have the same paging parameters.
LISTS = ["/exports", "/schedules"]
PAGES: list[tuple[str, int, str]] = [
    *[(f"limit={text}", 422, "/limit") for text in ("", "0", "-1", "101", "1.5", "ten", "1e1", "%D9%A5")],
    *[(f"limit={digits}", 422, "/limit") for digits in ("9" * 5000, "0x10", "%00", "+5", "5%20")],
    *[(f"cursor={text}", 422, "/cursor") for text in ("", "x", "%25", "%00", "AAAA", "%C3%B6", "W10", "e30")],
    ("cursor=" + "A" * 5000, 422, "/cursor"),
    ("page=1", 422, "/page"),
    ("Limit=5", 422, "/Limit"),
    ("colour=red", 422, "/colour"),
    ("a%2Fb~c=1", 422, "/a~1b~0c"),
    ("limit=5&limit=6", 400, "/limit"),
]
DRY_RUNS: list[tuple[str, int, str]] = [
    *[(f"dryRun={text}", 422, "/dryRun") for text in ("", "1", "yes", "True", "null", "true%00")],
    ("dryRun=true&dryRun=true", 400, "/dryRun"),
    ("dryrun=true", 422, "/dryrun"),
    ("a%2Fb=1", 422, "/a~1b"),
]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_started(prefect: httpx.Client) -> Iterator[None]:
    before = runs(prefect)
    yield
    assert runs(prefect) == before


def runs(prefect: httpx.Client) -> int:
    return int(prefect.post("/flow_runs/count", json={}).raise_for_status().text)


def assert_refused(answer: httpx.Response, status: int, pointer: str | None = None) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["data"]) == (status, status, None), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    if pointer is not None:
        assert pointer in [error["pointer"] for error in problem["errors"]]


def case_id(value: Any) -> str:
    text = ascii(value)
    return text if len(text) < 60 else text[:57] + "..."


@pytest.mark.parametrize(("change", "status", "pointer"), FIELDS, ids=[case_id(case[0]) for case in FIELDS])
def test_an_invalid_field_is_refused(
    api: httpx.Client, change: dict[str, Any], status: int, pointer: str
) -> None:
    assert_refused(api.post("/reports/csv", json=GOOD | change), status, pointer)


@pytest.mark.parametrize(
    ("csv", "reason"),
    [
        ({"delimiter": '"'}, 'Delimiter must not be the quote character (").'),
        (
            {"decimalMark": ","},
            "decimalMark requires a delimiter other than the comma, for example a semicolon,"
            " because numbers would otherwise span two columns.",
        ),
        (
            {"splitRows": 9},
            "splitRows requires zip compression, because it produces several files.",
        ),
    ],
)
def test_conflicting_csv_options_are_refused_with_the_reason(
    api: httpx.Client, csv: dict[str, Any], reason: str
) -> None:
    answer = api.post("/reports/csv", json=GOOD | {"csv": csv})
    assert_refused(answer, 422)
    assert [error["detail"] for error in answer.json()["errors"]] == [reason]


@pytest.mark.parametrize("missing", ["surveyId", "from", "to"])
def test_a_missing_field_is_refused(api: httpx.Client, missing: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != missing}
    assert_refused(api.post("/reports/csv", json=body), 422, f"/{missing}")


def test_all_errors_are_reported_at_once(api: httpx.Client) -> None:
    answer = api.post("/reports/csv", json={"from": "x", "to": "y", "sort": "z", "surveyId": "w"})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/from", "/to", "/sort", "/surveyId"}


@pytest.mark.parametrize(
    ("body", "status", "pointer"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_an_invalid_body_is_refused(api: httpx.Client, body: bytes, status: int, pointer: str) -> None:
    assert_refused(api.post("/reports/csv", content=body, headers=JSON), status, pointer)


@pytest.mark.parametrize("size", [(64 << 10) + 1, TEN_MIB])
def test_a_large_body_is_refused(api: httpx.Client, size: int) -> None:
    assert_refused(api.post("/reports/csv", content=b" " * size, headers=JSON), 413)


def test_a_large_body_without_a_content_length_is_refused(api: httpx.Client) -> None:
    chunks = (b" " * 65_536 for _ in range(TEN_MIB // 65_536))
    assert_refused(api.post("/reports/csv", content=chunks, headers=JSON), 413)


@pytest.mark.parametrize("kind", CONTENT_TYPES)
def test_another_content_type_is_refused(api: httpx.Client, kind: str) -> None:
    body = json.dumps(GOOD)
    assert_refused(api.post("/reports/csv", content=body, headers={"content-type": kind}), 415)


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256, "a\tb"])
def test_an_invalid_idempotency_key_is_refused(api: httpx.Client, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    assert_refused(api.post("/reports/csv", json=GOOD, headers=headers), 422, "/headers/Idempotency-Key")


@pytest.mark.parametrize("path", ["/exports", "/exports?dryRun=true", "/schedules"])
def test_every_start_refuses_an_invalid_idempotency_key(api: httpx.Client, path: str) -> None:
    headers = {"Idempotency-Key": b"a b"}
    assert_refused(api.post(path, json=GOOD, headers=headers), 422, "/headers/Idempotency-Key")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("query", "status", "pointer"), PAGES, ids=[case_id(row[0]) for row in PAGES])
def test_an_invalid_query_of_a_list_is_refused(
    api: httpx.Client, path: str, query: str, status: int, pointer: str
) -> None:
    assert_refused(api.get(f"{path}?{query}"), status, pointer)


@pytest.mark.parametrize(("query", "status", "pointer"), DRY_RUNS)
def test_an_invalid_query_of_a_start_is_refused(
    api: httpx.Client, query: str, status: int, pointer: str
) -> None:
    assert_refused(api.post(f"/exports?{query}", json=GOOD), status, pointer)


def test_two_idempotency_keys_are_refused(api: httpx.Client) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert_refused(api.post("/reports/csv", json=GOOD, headers=headers), 422, "/headers/Idempotency-Key")


@pytest.mark.parametrize(("query", "status"), JOB_IDS)
def test_an_invalid_or_unknown_job_id_is_refused(api: httpx.Client, query: str, status: int) -> None:
    assert_refused(api.get(f"/reports/csv?{query}"), status, "/jobId")


def test_an_unknown_parameter_of_the_poll_is_refused(api: httpx.Client) -> None:
    assert_refused(api.get(f"/reports/csv?jobId={NO_SUCH_JOB}&x=1"), 422, "/x")


@pytest.mark.parametrize("id_", ["x", NO_SUCH_JOB, "%00", "..%2Fhealthz", "😀", "x" * 5000])
@pytest.mark.parametrize("route", ["/exports/{}", "/exports/{}/download"])
def test_an_unknown_export_is_404(api: httpx.Client, route: str, id_: str) -> None:
    assert_refused(api.get(route.format(id_)), 404)


@pytest.mark.parametrize("name", ["nosuch", "%00", "ORDERS", "😀"])
def test_an_unknown_report_type_is_404(api: httpx.Client, name: str) -> None:
    assert_refused(api.get(f"/report-types/{name}"), 404)


@pytest.mark.parametrize(
    "path",
    [
        "orders/choices/surveyId",
        "survey-responses/choices/nosuch",
        "nosuch/choices/surveyId",
        "%00/choices/%00",
    ],
)
def test_unknown_choices_are_404(api: httpx.Client, path: str) -> None:
    assert_refused(api.get(f"/report-types/{path}"), 404)


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ("limit=0", 422, "/limit"),
        ("limit=101", 422, "/limit"),
        ("limit=many", 422, "/limit"),
        ("search=" + "x" * 201, 422, "/search"),
        ("search=%00", 422, "/search"),
        ("seek=x", 422, "/seek"),
        ("search=a&search=b", 400, "/search"),
    ],
)
def test_an_invalid_query_of_choices_is_refused(
    api: httpx.Client, query: str, status: int, pointer: str
) -> None:
    answer = api.get(f"/report-types/survey-responses/choices/surveyId?{query}")
    assert_refused(answer, status, pointer)


@pytest.mark.parametrize(
    ("name", "text", "status", "pointer"), TABLE, ids=[f"{row[0]}={case_id(row[1])}" for row in TABLE]
)
def test_an_invalid_parameter_of_the_table_is_refused(
    api: httpx.Client, name: str, text: str, status: int, pointer: str
) -> None:
    assert_refused(api.get("/reports", params=GOOD | {name: text}), status, pointer)


@pytest.mark.parametrize("name", ["from", "surveyId", "page", "sort", "columns", "cursor"])
def test_a_duplicate_parameter_of_the_table_is_refused(api: httpx.Client, name: str) -> None:
    query = [*GOOD.items(), (name, "1"), (name, "1")]
    assert_refused(api.get("/reports", params=query), 400, f"/{name}")


def test_a_page_with_a_cursor_is_refused(api: httpx.Client) -> None:
    assert_refused(api.get("/reports", params=GOOD | {"page": 1, "cursor": "x"}), 422, "/cursor")


def test_the_cursor_of_another_request_is_refused(api: httpx.Client) -> None:
    cursor = api.get("/reports", params=GOOD | {"pageSize": 1}).json()["nextCursor"]
    assert_refused(api.get("/reports", params=GOOD | {"cursor": cursor, "to": "2024-7-27"}), 422, "/cursor")


@pytest.mark.parametrize("path", ["/nosuch", "/reports/csv/x", "/files/x/1.csv", "/exportz"])
def test_an_unknown_path_is_404(api: httpx.Client, path: str) -> None:
    assert_refused(api.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/reports/csv", "GET, HEAD, POST"),
        ("DELETE", "/reports", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("OPTIONS", "/exports", "GET, HEAD, POST"),
        ("PUT", f"/exports/{NO_SUCH_JOB}", "DELETE, GET, HEAD"),
        ("PATCH", "/schedules/preview", "POST"),
        ("GET", "/schedules/preview", "POST"),
        ("POST", f"/schedules/{NO_SUCH_JOB}", "DELETE, GET, HEAD, PATCH"),
        ("TRACE", "/exports", "GET, HEAD, POST"),
        ("POST", "/page/main.js", "GET, HEAD"),
    ],
)
def test_an_unsupported_method_is_405_and_lists_the_allowed_ones(
    api: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = api.request(method, path)
    assert_refused(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/reports?report=orders&from=2024-3-1&to=2024-3-2", "/exports"]
)
def test_head_matches_get_without_the_body(api: httpx.Client, path: str) -> None:
    head, get = [api.request(method, path) for method in ("HEAD", "GET")]
    assert (head.status_code, get.status_code) == (200, 200)
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]
