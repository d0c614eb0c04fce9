"""Define how the Prefect API is called.

Calls that are essential to a run, such as scheduling another attempt, are retried.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import httpx
from prefect.exceptions import PrefectException, PrefectHTTPStatusError

# Prefect may share a server with the source database. If that server fails, a retry of the run can be
# scheduled only when Prefect is available again.
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 1.0
ERRORS = (httpx.HTTPError, PrefectException)
# Headers for requests to Prefect. By default, the server compresses each response with the highest level of
# gzip. It is usually in the same network, and its CPU time limits the throughput.
HEADERS = {"Accept-Encoding": "identity"}

T = TypeVar("T")
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


def _is_outage(error: Exception) -> bool:
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.is_server_error or error.response.status_code in (408, 429)
    return isinstance(error, httpx.HTTPError)


def _end_process(error: Exception) -> NoReturn:
    logger.error("Prefect cannot be reached; this process ends, and a worker reschedules its run: %s", error)
    os._exit(os.EX_TEMPFAIL)
