"""Test that ResponseValidator rejects responses that the OpenAPI document does not describe."""

from typing import Any

import httpx
import pytest

from tests.support.openapi_conformance import ResponseValidator

COUNT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
DOCUMENT = {
    "paths": {
        "/things/{id}": {
            "get": {
                "responses": {
                    "200": {
                        "headers": {"ETag": {"required": True}, "Warning": {"required": False}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Count"}}},
                    },
                    "204": {"description": "nothing"},
                    "404": {"$ref": "#/components/responses/NotFound"},
                }
            }
        }
    },
    "components": {
        "schemas": {"Count": COUNT},
        "responses": {"NotFound": {"content": {"application/problem+json": {"schema": {"type": "object"}}}}},
    },
}
ETAG = {"etag": '"1"'}


def check(method: str, path: str, status: int, **response: Any) -> None:
    request = httpx.Request(method, f"http://things.example.com{path}")
    ResponseValidator(DOCUMENT).check(httpx.Response(status, request=request, **response))


def test_a_described_response_passes() -> None:
    check("GET", "/things/1?x=1", 200, json={"n": 1}, headers=ETAG)
    check("HEAD", "/things/1", 200, headers=ETAG)
    check("GET", "/things/1", 204)
    check("GET", "/things/1", 404, json={}, headers={"content-type": "application/problem+json"})


def test_other_requests_are_not_checked() -> None:
    check("GET", "/page/main.js", 200, text="")
    check("PUT", "/things/1", 405)


@pytest.mark.parametrize(
    ("status", "response"),
    [
        (500, {"text": "oh"}),
        (200, {"json": {"n": 1}}),
        (200, {"json": {"n": "1"}, "headers": ETAG}),
        (200, {"json": {}, "headers": ETAG}),
        (200, {"text": "n=1", "headers": ETAG}),
        (204, {"json": {"n": 1}}),
        (404, {"json": {}}),
    ],
    ids=["status", "header", "type", "key", "no JSON", "a body", "content type"],
)
def test_an_undescribed_response_fails(status: int, response: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check("GET", "/things/1", status, **response)
