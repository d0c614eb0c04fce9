"""Implement `report-exports register`, which applies prefect.yaml and prints the changes."""

import argparse
import os
import sys

from deployments.command_line.exit_codes import DONE, OperationFailed, RequestRejected
from deployments.command_line.interrupts import handle_signals
from deployments.command_line.text.display import print_to_stderr
from deployments.roles.settings import PREFECT_URL, check_settings, load_settings, missing_settings
from flows.errors import DeclarationError
from flows.reports import load_reports


def run(arguments: argparse.Namespace) -> int:
    if error := missing_settings(os.environ, PREFECT_URL) or check_settings(os.environ):
        raise RequestRejected(error)
    from deployments import register  # takes 2 s, because it imports Prefect

    settings = load_settings(os.environ)
    try:
        loaded = load_reports(settings.catalog_modules, settings.default_report)
    except DeclarationError as error:
        raise RequestRejected(str(error)) from None
    try:
        with handle_signals():
            changes = register.apply(
                loaded, arguments.wait, lambda text: print_to_stderr(f"report-exports: {text}")
            )
    except register.RegistrationFailed as error:
        raise OperationFailed(str(error)) from None
    sys.stdout.write("".join(f"{change}\n" for change in changes) or "No changes.\n")
    return DONE
