"""Entrypoints that the worker may run."""

# An entrypoint may name any function that Python can import, `subprocess.getoutput` included, and whoever can
# create a deployment chooses it. Prefect has no roles, so the worker keeps its own list.
OWN = frozenset({"flows.export.export_report", "flows.delivery.deliver_webhook", "flows.sweep.sweep_files"})
ANY = "*"


def check_entrypoint(entrypoint: str, others: frozenset[str]) -> str | None:
    """Return why the worker does not run this entrypoint, or None if it does."""
    if entrypoint in OWN or entrypoint in others or ANY in others:
        return None
    return (
        f"The worker does not run the entrypoint {entrypoint!r}. To allow it, add it to"
        " REPORTS_WORKER_ENTRYPOINTS in the environment of the worker, and restart the worker."
    )
