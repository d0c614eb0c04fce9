"""Implement `report-exports sweep-once`, which removes expired and leftover files and then exits.

If no worker runs the hourly sweep, run this command regularly, for example from cron or a Kubernetes CronJob.
"""

import argparse
import os
import sys

from deployments.command_line.exit_codes import DONE, OperationFailed, RequestRejected
from deployments.roles.settings import REQUIRED, check_settings, missing_settings


def run(arguments: argparse.Namespace) -> int:
    if error := missing_settings(os.environ, *REQUIRED) or check_settings(os.environ):
        raise RequestRejected(error)
    from flows.sweep import sweep_files  # takes 2 s, because it imports Prefect

    state = sweep_files(return_state=True)
    if not state.is_completed():
        raise OperationFailed(f"The sweep failed: {state.message}")
    sys.stdout.write(f"{state.message}\n")
    return DONE
