"""Validate the responses of the API against its OpenAPI document."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

UNDOCUMENTED = {405}  # no operation documents the response to an unsupported method


def response_hook(url: str) -> Callable[[httpx.Response], None]:
    """Return a validator for the `event_hooks` of an httpx client."""
    document = httpx.get(f"{url}/openapi.json", trust_env=False).raise_for_status().json()
    return ResponseValidator(document).check


class ResponseValidator:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._paths = [(_pattern(path), operations) for path, operations in document["paths"].items()]
        self._validator = cache(self._validator_for)

    def check(self, response: httpx.Response) -> None:
        """Assert that the document allows the response. Ignore paths without an operation, such as `/`."""
        operation = self._operation(response.request)
        if operation is None or response.status_code in UNDOCUMENTED:
            return
        request = f"{response.request.method} {response.request.url.path}"
        assert str(response.status_code) in operation["responses"], f"{request}: {response.status_code}"
        documented = self._resolve(operation["responses"][str(response.status_code)])
        for name, header in documented.get("headers", {}).items():
            assert name in response.headers or not header["required"], f"{request}: no {name}"
        if response.request.method != "HEAD":
            self._check_body(response, documented.get("content", {}), request)

    def _check_body(self, response: httpx.Response, content: dict[str, Any], request: str) -> None:
        body = response.read()
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if not body and not content:
            return
        assert media_type in content, f"{request}: {media_type} is not one of {[*content]}"
        if media_type.endswith("json"):
            schema = json.dumps(content[media_type]["schema"], sort_keys=True)
            errors = [error.message[:500] for error in self._validator(schema).iter_errors(json.loads(body))]
            assert not errors, f"{request}: {errors}"

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        path, _, query = request.url.raw_path.decode().partition("?")
        if path == "/exports" and "dryRun=true" in query:
            path += "/dry-run"  # the document describes dry runs only under this path
        method = "get" if request.method == "HEAD" else request.method.lower()
        # /schedules/preview also matches /schedules/{scheduleId}. Choose the path that supports the method.
        matches = [operations for pattern, operations in self._paths if pattern.fullmatch(path)]
        return next((operations[method] for operations in matches if method in operations), None)

    def _resolve(self, response: dict[str, Any]) -> dict[str, Any]:
        name = response.get("$ref", "").rpartition("/")[2]
        return dict(self._document["components"]["responses"][name]) if name else response

    def _validator_for(self, schema: str) -> Draft202012Validator:
        return Draft202012Validator({**json.loads(schema), "components": self._document["components"]})


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
