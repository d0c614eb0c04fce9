from deployments.stack.readiness import _describe_failures


def test_the_stack_says_what_it_waits_for_and_why() -> None:
    answer = {
        "checks": {"database": "failed", "prefect": "failed", "storage": "ok", "keys": "stale"},
        "reasons": {"database": 'password authentication failed for user "reports"'},
    }
    expected = ['database (password authentication failed for user "reports")', "prefect"]
    assert _describe_failures(answer) == expected
    assert _describe_failures({"checks": {"worker": "failed"}, "reasons": None}) == ["worker"]
