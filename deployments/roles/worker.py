"""Implement `report-exports worker`, which runs a warm worker until a signal stops it."""

import argparse
import asyncio
import logging
import os

from api.settings import ApiSettings
from deployments.command_line.exit_codes import DONE, Interrupted, RequestRejected
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.text.display import print_to_stderr
from deployments.roles.settings import (
    REQUIRED,
    check_settings,
    find_unreadable_files,
    load_settings,
    missing_settings,
)
from flows import logs

logger = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    if error := missing_settings(os.environ, *REQUIRED) or check_settings(os.environ):
        raise RequestRejected(error)
    settings = load_settings(os.environ)
    for warning in find_unreadable_files(settings):
        print_to_stderr(f"report-exports: {warning}")
    try:
        with handle_signals():
            _wait_for_prefect(settings)
    except Interrupted:
        return DONE
    from deployments.warm_worker.serve import WorkerRefused, serve

    values = (
        arguments.pool or settings.work_pool,
        arguments.name,
        arguments.limit,
        arguments.grace,
        arguments.jobs_per_process,
    )
    try:
        asyncio.run(serve(*values))
    except WorkerRefused as refusal:
        raise RequestRejected(str(refusal)) from None
    return DONE


def _wait_for_prefect(settings: ApiSettings) -> None:
    from deployments import server_check  # takes 2 s, because it imports Prefect

    logs.configure(settings.log_format)
    server_check.wait_until_usable(logger.warning)
