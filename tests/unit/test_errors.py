import psycopg
import pytest

from flows import errors
from flows.errors import (
    ExportError,
    Internal,
    SourceCancelled,
    SourceConflict,
    SourceTimeout,
    SourceUnavailable,
    UnreadableRow,
    errors_by_code,
)
from flows.sources.driver_errors import classify


def test_codes_and_retryability_are_stable() -> None:
    """Clients depend on these codes, so they must never be renamed."""
    assert {code: kind.retryable for code, kind in errors_by_code().items()} == {
        "source.unavailable": True,
        "source.conflict": True,
        "storage.unavailable": True,
        "storage.timeout": True,
        "storage.corrupted": True,
        "source.incomplete": True,
        "source.timeout": False,
        "source.cancelled": False,
        "storage.denied": False,
        "storage.full": False,
        "storage.rejected": False,
        "rows.limit": False,
        "rights.gone": False,
        "rights.unknown": True,
        "report.invalid": False,
        "columns.limit": False,
        "report.key": False,
        "source.unreadable": False,
        "transform.failed": False,
        "worker.lost": False,
        "internal": False,
    }


@pytest.mark.parametrize("kind", errors_by_code().values(), ids=errors_by_code().keys())
def test_every_error_has_a_message_and_is_in_the_tree(kind: type[ExportError]) -> None:
    assert kind.message.endswith(".")
    assert str(kind()) == kind.message
    assert str(kind("More exactly.")) == "More exactly."
    assert f"── {kind.__name__}\n" in str(errors.__doc__)


@pytest.mark.parametrize(
    ("state", "text", "kind"),
    [
        ("57014", "canceling statement due to statement timeout", SourceTimeout),
        ("57014", "canceling statement due to user request", SourceCancelled),
        ("08006", "", SourceUnavailable),
        ("08P01", "", SourceUnavailable),
        ("40001", "", SourceConflict),
        ("40P01", "", SourceUnavailable),
        ("53300", "", SourceUnavailable),
        ("57P01", "", SourceUnavailable),
        ("57P02", "", SourceUnavailable),
        ("57P03", "", SourceUnavailable),
        ("42601", 'syntax error at or near "secret"', Internal),
        ("22003", "integer out of range", UnreadableRow),
        (None, "connection refused at host db1", SourceUnavailable),
    ],
)
def test_database_errors_become_codes_without_their_text(
    state: str | None, text: str, kind: type[ExportError]
) -> None:
    error = psycopg.OperationalError(text)
    error.sqlstate = state
    classified = classify(error)
    assert type(classified) is kind
    assert str(classified) == kind.message


def test_a_lost_connection_is_retryable() -> None:
    assert isinstance(classify(RuntimeError("anything"), connection_lost=True), SourceUnavailable)
    assert isinstance(classify(None), Internal)
