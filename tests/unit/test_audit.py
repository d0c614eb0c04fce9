"""Test the format of audit log lines."""

import json
import logging

import pytest

from flows import audit
from flows.logs import JsonLines


def test_a_line_is_the_action_and_one_json_object(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, audit.LOGGER):
        audit.record("key.create", "done", caller="ada\nbob", reports=None, claims={"a": frozenset("cb")})
    (record,) = caplog.records
    action, _, text = record.getMessage().partition(" ")
    fields = {"action": action, "outcome": "done", "caller": "ada\nbob", "claims": {"a": ["b", "c"]}}
    assert json.loads(text) == fields
    assert "\n" not in record.getMessage()
    line = json.loads(JsonLines().format(record))
    assert {name: line[name] for name in fields} == fields
    assert (line["logger"], line["message"]) == ("report_exports.audit", "key.create")
