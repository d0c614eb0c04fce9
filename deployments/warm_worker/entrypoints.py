"""Restrict the entrypoints that the worker runs."""

from collections.abc import Sequence
from typing import Any

# Anyone who can create a deployment can choose its entrypoint. The entrypoint can be any function that Python
# can import, such as `subprocess.getoutput`. Prefect has no roles, so the worker itself must restrict
# entrypoints.
OWN = frozenset({"flows.export.export_report", "flows.delivery.deliver_webhook", "flows.sweep.sweep_files"})
ANY = "*"


def check_entrypoint(entrypoint: str, others: frozenset[str]) -> str | None:
    """Return an error message, or None if the worker may run this entrypoint."""
    if entrypoint in OWN or entrypoint in others or ANY in others:
        return None
    return (
        f"The worker does not run the entrypoint {entrypoint!r}. To allow it, add it to"
        " REPORTS_WORKER_ENTRYPOINTS in the environment of the worker, and restart the worker."
    )


def check_pull_steps(steps: Sequence[dict[str, Any]] | None, others: frozenset[str]) -> str | None:
    """Return an error message if the deployment has pull steps that the worker must not run, otherwise None.

    Pull steps are rejected by default, because they could run any command.
    """
    if not steps or ANY in others:
        return None
    return "The worker does not run pull steps. Remove them from the deployment."
