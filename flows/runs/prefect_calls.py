"""Define how the Prefect API is called.

Calls that are essential to a run, such as scheduling another attempt, are retried.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import httpx
from prefect.context import SettingsContext, get_settings_context
from prefect.exceptions import PrefectException, PrefectHTTPStatusError
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, Settings

# Prefect may share a server with the source database. If that server fails, a retry of the run can be
# scheduled only when Prefect is available again.
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 1.0
ERRORS = (httpx.HTTPError, PrefectException)
# Headers for requests to Prefect. By default, the server compresses each response with the highest level of
# gzip. It is usually in the same network, and its CPU time limits the throughput.
HEADERS = {"Accept-Encoding": "identity"}

T = TypeVar("T")
# The last settings and their copy without retries.
_copied: tuple[Settings, Settings] | None = None
logger = logging.getLogger(__name__)


def call_patiently(call: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> T:
    """Retry the call while Prefect is unavailable. After a minute, exit the process.

    A worker then reschedules the run. If the flow raised an error instead, Prefect would mark the run as
    failed as soon as the API is available again.
    """
    deadline = clock() + PATIENCE_SECONDS
    while True:
        try:
            return call()
        except ERRORS as error:
            if not _is_outage(error):
                raise
            if clock() >= deadline:
                _end_process(error)
            logger.warning("Prefect cannot be reached; retrying: %s", error)
        time.sleep(RETRY_SECONDS)


@contextmanager
def sent_once() -> Iterator[None]:
    """Send each request in the `with` block only once.

    Prefect's client repeats a request if its response is lost. If the request changes the state of a run, the
    first one may have had its effect, and the run may have continued in the meantime. Before such a request
    is repeated, the state of the run must therefore be read again.
    """
    context = get_settings_context()
    with SettingsContext(profile=context.profile, settings=_without_retries(context.settings)):
        yield


def _without_retries(settings: Settings) -> Settings:
    """Return a copy of the settings without retries. It is kept, because copying takes 20 ms."""
    global _copied
    if _copied is None or _copied[0] is not settings:
        _copied = settings, settings.copy_with_update({PREFECT_CLIENT_MAX_RETRIES: 0})
    return _copied[1]


def _is_outage(error: Exception) -> bool:
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.is_server_error or error.response.status_code in (408, 429)
    return isinstance(error, httpx.HTTPError)


def _end_process(error: Exception) -> NoReturn:
    logger.error("Prefect cannot be reached; this process ends, and a worker reschedules its run: %s", error)
    os._exit(os.EX_TEMPFAIL)
