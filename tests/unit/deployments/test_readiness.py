from deployments.stack.readiness import _describe_failures


def test_the_stack_says_what_it_waits_for_and_why() -> None:
    answer = {
        "checks": {"database": "failed", "prefect": "failed", "storage": "ok", "keys": "stale"},
        "reasons": {"database": 'password authentication failed for user "reports"'},
    }
    expected = ['database (password authentication failed for user "reports")', "prefect"]
    assert _describe_failures(answer, 16.0) == expected
    assert _describe_failures({"checks": {"worker": "failed"}, "reasons": None}, 16.0) == ["worker"]


def test_a_reason_for_several_failed_checks_is_printed_once() -> None:
    reason = "the deployment export-report/export is not registered in Prefect"
    checks = dict.fromkeys(("prefect", "files", "worker"), "failed")
    answer = {"checks": checks, "reasons": dict.fromkeys(checks, reason)}
    assert _describe_failures(answer, 16.0) == [f"prefect, files, worker ({reason})"]


def test_a_part_that_is_still_starting_is_not_reported_at_once() -> None:
    answer = {"checks": {"database": "failed", "worker": "failed", "prefect": "failed"}, "reasons": {}}
    assert _describe_failures(answer, 1.0) == ["database"]
