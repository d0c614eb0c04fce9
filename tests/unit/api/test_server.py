import gc
from collections.abc import Iterator

import pytest

from api import app, server


@pytest.fixture(autouse=True)
def unchanged_collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_the_application_is_excluded_from_garbage_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    application: list[None] = []
    monkeypatch.setattr(app, "create_app", lambda: application)
    assert server.create_app() is application
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == server.GARBAGE_THRESHOLDS
    assert all(item is not application for item in gc.get_objects())
