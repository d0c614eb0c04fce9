"""Answer two of the flow engine's requests within the child process.

These requests do not need Prefect's server. Before the engine starts a run, it stores the flow's version and
retry policy, even if the flow has no retries. After the start, the engine reads the run that the worker has
just claimed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

ENGINE_UPDATE = {"flow_version", "empirical_policy"}


class EngineCalls:
    """Replaces a client's `update_flow_run` and `read_flow_run` methods.

    Each method is restored when it is first called.
    """

    def __init__(self, client: SyncPrefectClient, flow_run: FlowRun) -> None:
        self._client, self._flow_run, self._run_count = client, flow_run, flow_run.run_count
        vars(client).update(update_flow_run=self._update_flow_run)
        # The API renames a new run. If the worker read the run before it was renamed, the engine must read it
        # again.
        if str(flow_run.id) in flow_run.name:
            vars(client).update(read_flow_run=self._read_flow_run)

    def _update_flow_run(self, flow_run_id: UUID, **changes: Any) -> Any:
        self._restore("update_flow_run")
        if changes.keys() == ENGINE_UPDATE and not changes["empirical_policy"].retries:
            return None
        return self._client.update_flow_run(flow_run_id, **changes)

    def _read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        self._restore("read_flow_run")
        if flow_run_id != self._flow_run.id or not self._is_running():
            return self._client.read_flow_run(flow_run_id)
        return self._flow_run.model_copy(update={"run_count": self._run_count + 1})

    def _is_running(self) -> bool:
        return self._flow_run.state is not None and self._flow_run.state.is_running()

    def _restore(self, method: str) -> None:
        vars(self._client).pop(method, None)

    def close(self) -> None:
        self._restore("update_flow_run")
        self._restore("read_flow_run")


@contextmanager
def answered_locally(client: SyncPrefectClient, flow_run: FlowRun) -> Iterator[None]:
    calls = EngineCalls(client, flow_run)
    try:
        yield
    finally:
        calls.close()
