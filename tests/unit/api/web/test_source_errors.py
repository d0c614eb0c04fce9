"""Test that only transient errors return a 503."""

import anyio
import pytest
from starlette.requests import Request

from api.web.problems import _source_failed
from flows.errors import ExportError, errors_by_code

MAY_PASS = ("source.timeout", "source.cancelled")


@pytest.mark.parametrize("error", [kind for code, kind in errors_by_code().items() if "storage" not in code])
def test_only_errors_that_may_pass_respond_with_503(error: type[ExportError]) -> None:
    response = anyio.run(_source_failed, Request({"type": "http"}), error())
    assert (response.status_code == 503) is (error.retryable or error.code in MAY_PASS)
    assert ("Retry-After" in response.headers) is (response.status_code == 503)
    assert b"at the moment" not in response.body or response.status_code == 503
