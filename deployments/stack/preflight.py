"""Check the external databases and storage before startup, and describe any problems.

The service starts despite these problems, because the databases and storage may become reachable later.
"""

from collections.abc import Callable, Iterator
from functools import partial
from threading import Thread

from sqlalchemy.pool import NullPool

from api.readiness import reason_of
from api.settings import ApiSettings
from deployments.stack.environment import Replaced
from flows.sources.snapshot import open_engine
from flows.storage.from_url import open_storage

CONNECT_SECONDS = 3
STORAGE_SECONDS = 6.0


def find_problems(settings: ApiSettings, replaced: Replaced) -> Iterator[str]:
    """Yield a message for each external database or storage that cannot be used."""
    checks: dict[str, Callable[[], None]] = {}
    if replaced.database_url is not None:
        checks["database in REPORTS_DATABASE_URL"] = partial(_connect, settings.url_of(""))
    for name in settings.databases:
        checks[f"database {name!r} in REPORTS_DATABASES"] = partial(_connect, settings.url_of(name))
    if replaced.storage_url is not None:
        checks["storage in REPORTS_STORAGE_URL"] = partial(_write, settings)
    for part, check in checks.items():
        if (reason := _failure(check)) is not None:
            yield f"The {part} cannot be used: {reason}. The service starts and waits for it."


def _failure(check: Callable[[], None]) -> str | None:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - each driver has its own errors
        return reason_of(error).rstrip(".")
    return None


def _connect(url: str) -> None:
    engine = open_engine(url, CONNECT_SECONDS, poolclass=NullPool)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _write(settings: ApiSettings) -> None:
    """Check that the storage accepts writes.

    The check runs in a thread with a time limit, because the S3 client retries for a long time if the server
    is unreachable.
    """
    errors: list[Exception] = []

    def write() -> None:
        try:
            open_storage(settings.storage_url, settings.public_url, STORAGE_SECONDS).check_writing()
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            errors.append(error)

    thread = Thread(target=write, daemon=True)
    thread.start()
    thread.join(STORAGE_SECONDS)
    if thread.is_alive():
        raise TimeoutError
    if errors:
        raise errors[0]
