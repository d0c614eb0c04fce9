"""Implement `report-exports api`, which serves the HTTP API and the web page in one or more processes."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from api.web.metrics import SHARED_FOLDER
from deployments.command_line.exit_codes import DONE, OperationFailed, RequestRejected
from deployments.command_line.text.display import print_to_stderr
from deployments.roles.settings import (
    REQUIRED,
    check_host,
    check_jwt_key,
    check_settings,
    find_unreadable_files,
    load_settings,
    missing_settings,
)
from deployments.stack.ports import is_free
from flows.errors import DeclarationError
from flows.reports import catalog

# After a stop signal, requests in progress may take this long to finish.
GRACEFUL_SECONDS = 5


def run(arguments: argparse.Namespace) -> int:
    _check(arguments.host, arguments.port)
    import uvicorn

    with _shared_metrics(arguments.processes):
        uvicorn.run(
            "api.server:create_app",
            factory=True,
            host=arguments.host,
            port=arguments.port,
            workers=arguments.processes,
            root_path=arguments.root_path,
            access_log=False,
            http="api.web.http_protocol:LimitedHttp",
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )
    return DONE


@contextmanager
def _shared_metrics(processes: int) -> Iterator[None]:
    """Let several processes share their metrics, because each scrape reaches only one process."""
    if processes == 1:
        yield
        return
    with TemporaryDirectory(prefix="report-exports-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[SHARED_FOLDER]


def _check(host: str, port: int) -> None:
    """Check the settings and options before any process starts.

    Raises RequestRejected if one of them is invalid, and OperationFailed if the port is in use.
    """
    environment = os.environ
    if error := missing_settings(environment, *REQUIRED) or check_settings(environment):
        raise RequestRejected(error)
    settings = load_settings(environment)
    if error := check_host(host, settings.authenticates):
        raise RequestRejected(f"argument --host: {error}")
    if error := check_jwt_key(settings):
        raise RequestRejected(error)
    for warning in find_unreadable_files(settings):
        print_to_stderr(f"report-exports: {warning}")
    try:
        catalog(settings.catalog_modules, settings.default_report)
    except DeclarationError as error:
        raise RequestRejected(str(error)) from None
    if port and not is_free(port, host):
        raise OperationFailed(f"Port {port} is in use. Choose another one with --port.")
