"""Test that a worker reads a run again if it claimed the run long after it had read it."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from deployments.warm_worker.worker import MAX_READ_AGE_SECONDS, WarmWorker

SCHEDULED = FlowRun(id=uuid4(), flow_id=uuid4(), run_count=0)
TRIED_ONCE = SCHEDULED.model_copy(update={"run_count": 1})


class Prefect:
    async def read_flow_run(self, run_id: UUID) -> FlowRun:
        assert run_id == SCHEDULED.id
        return TRIED_ONCE


@pytest.mark.parametrize(
    ("age_seconds", "expected"), [(0.0, SCHEDULED), (MAX_READ_AGE_SECONDS + 0.1, TRIED_ONCE)]
)
def test_a_late_claim_knows_the_number_of_the_attempt(age_seconds: float, expected: FlowRun) -> None:
    worker: Any = object.__new__(WarmWorker)
    worker._client = Prefect()
    worker._read_at = {SCHEDULED.id: time.monotonic() - age_seconds}
    assert asyncio.run(worker._reread_if_old(SCHEDULED)) is expected
