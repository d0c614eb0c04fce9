"""Name runs after their report and id, because the search in the Prefect UI matches only names.

Prefect assigns a run's id when it creates the run, so the run can be named only afterwards.
"""

import logging
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.query.report import DEFAULT_REPORT
from flows.runs import prefect_calls
from flows.runs.tags import DELETED_NAME, DELETED_TAG

logger = logging.getLogger(__name__)


def run_name(report: str, run_id: UUID) -> str:
    return f"{report}-{run_id}"


def ensure_named(run_id: UUID, name: str, request: object) -> None:
    """Rename the run unless its name contains its id. Prefect gives scheduled runs random names."""
    report = str((request if isinstance(request, dict) else {}).get("report") or DEFAULT_REPORT)
    if str(run_id) not in name:
        with get_client(sync_client=True) as client:
            name_run(client, run_id, report)


def name_run(client: SyncPrefectClient, run_id: UUID, report: str) -> None:
    """Rename the run. Errors are only logged, because the run can proceed under its old name."""
    try:
        client.update_flow_run(run_id, name=run_name(report, run_id))
        # This check must come after the renaming. If a deletion starts after the check, the deletion itself
        # renames the run.
        if DELETED_TAG in client.read_flow_run(run_id).tags:
            client.update_flow_run(run_id, name=f"{DELETED_NAME}{run_id}")
    except prefect_calls.ERRORS:
        logger.warning("could not rename the run", exc_info=True)
