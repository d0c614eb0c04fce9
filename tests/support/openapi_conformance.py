"""Holds every answer that a test gets from the API against the API's own OpenAPI document."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

NOT_A_ROUTES = {405}  # the answer to a method that no operation describes


def checking(url: str) -> Callable[[httpx.Response], None]:
    """For a client's `event_hooks`."""
    described = httpx.get(f"{url}/openapi.json", trust_env=False).raise_for_status().json()
    return Described(described).check


class Described:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._paths = [(_pattern(path), operations) for path, operations in document["paths"].items()]
        self._validator = cache(self._validator_at)

    def check(self, answer: httpx.Response) -> None:
        """An address that is no operation's, such as the page, is not looked at."""
        operation = self._operation(answer.request)
        if operation is None or answer.status_code in NOT_A_ROUTES:
            return
        asked = f"{answer.request.method} {answer.request.url.path}"
        assert str(answer.status_code) in operation["responses"], f"{asked}: {answer.status_code}"
        found = self._resolved(operation["responses"][str(answer.status_code)])
        for name, header in found.get("headers", {}).items():
            assert name in answer.headers or not header["required"], f"{asked}: no {name}"
        if answer.request.method != "HEAD":
            self._check_body(answer, found.get("content", {}), asked)

    def _check_body(self, answer: httpx.Response, content: dict[str, Any], asked: str) -> None:
        body = answer.read()
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if not body and not content:
            return
        assert kind in content, f"{asked}: {kind} is not one of {[*content]}"
        if kind.endswith("json"):
            schema = json.dumps(content[kind]["schema"], sort_keys=True)
            wrong = [each.message[:500] for each in self._validator(schema).iter_errors(json.loads(body))]
            assert not wrong, f"{asked}: {wrong}"

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        path = request.url.raw_path.decode().partition("?")[0]
        method = "get" if request.method == "HEAD" else request.method.lower()
        # Of two that fit, such as /schedules/preview, the one without a parameter is meant.
        fitting = [operations for pattern, operations in self._paths if pattern.fullmatch(path)]
        return next((operations[method] for operations in fitting if method in operations), None)

    def _resolved(self, response: dict[str, Any]) -> dict[str, Any]:
        name = response.get("$ref", "").rpartition("/")[2]
        return dict(self._document["components"]["responses"][name]) if name else response

    def _validator_at(self, schema: str) -> Draft202012Validator:
        return Draft202012Validator({**json.loads(schema), "components": self._document["components"]})


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
