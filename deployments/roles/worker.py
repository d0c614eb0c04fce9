"""Implement `report-exports worker`, which runs a warm worker until a signal stops it."""

import argparse
import asyncio
import os

from deployments.command_line.exit_codes import DONE, RequestRejected
from deployments.command_line.text.display import print_to_stderr
from deployments.roles.settings import (
    REQUIRED,
    check_settings,
    find_unreadable_files,
    load_settings,
    missing_settings,
)


def run(arguments: argparse.Namespace) -> int:
    if error := missing_settings(os.environ, *REQUIRED) or check_settings(os.environ):
        raise RequestRejected(error)
    settings = load_settings(os.environ)
    for warning in find_unreadable_files(settings):
        print_to_stderr(f"report-exports: {warning}")
    from deployments.warm_worker.serve import WorkerRefused, serve  # takes 2 s, because it imports Prefect

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
