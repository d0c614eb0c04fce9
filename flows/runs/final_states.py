"""Build the final states of runs.

The states keep Prefect's names, such as `Failed`, because Prefect's UI, filters and automations depend on
these names. The code is therefore stored at the start of the message, as in `source.unavailable: …`, and in a
tag of the run. Use `outcome.code_and_message` to read it.
"""

import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.results import ResultRecord, ResultRecordMetadata  # type: ignore[attr-defined]
from prefect.states import Completed, Failed

from flows.errors import NoRows
from flows.runs import prefect_calls
from flows.runs.tags import CODE, DELETED_NAME, DELETED_TAG

logger = logging.getLogger(__name__)


def completed(message: str, page: str, storage_key: str) -> State[Any]:
    """Return the state of a run that has stored its file. `page` is passed to the run's hooks.

    The file is declared as the run's stored result, because Prefect does not let a completed run with a
    stored result start again. Otherwise, a late claim by a second worker could repeat the export.
    """
    record: ResultRecord[str] = ResultRecord(
        result=page, metadata=ResultRecordMetadata(storage_key=storage_key)
    )
    record.mark_persisted()
    return Completed(message=message, data=record)


def failed(code: str, message: str) -> State[Any]:
    return Failed(message=f"{code}: {message}")


def no_rows(reason: NoRows) -> State[Any]:
    return Completed(message=f"{NoRows.code}: {reason}")


def tag_with_code(run_id: UUID, tags: Iterable[str], code: str) -> None:
    """Tag a run with its code, so that operators can filter runs by it. Errors are only logged."""
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(run_id, tags=[*tags, CODE + code])
            # If the owner has just deleted the export, its tag has been overwritten.
            if client.read_flow_run(run_id).name.startswith(DELETED_NAME):
                client.update_flow_run(run_id, tags=[DELETED_TAG])
    except prefect_calls.ERRORS:
        logger.warning("could not tag the run with its code", exc_info=True)
