import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Running

from api.exports.request_keys import next_number


def run(finished: bool = True, deleted: bool = False) -> FlowRun:
    state = Completed() if finished else Running()
    tags = ["forgotten"] if deleted else ["owner:anna"]
    return FlowRun(flow_id=uuid4(), state=state, state_type=state.type, tags=tags)


FINISHED = run()


def find(runs: dict[int, FlowRun]) -> tuple[int, int]:
    """Return the result of `next_number` and the number of queries that it made."""
    queries: list[Sequence[int]] = []

    async def read_runs(numbers: Sequence[int]) -> dict[int, FlowRun]:
        queries.append(numbers)
        return {number: runs[number] for number in numbers if number in runs}

    return asyncio.run(next_number(read_runs)), len(queries)


@given(st.integers(0, 3000))
def test_next_number_follows_the_finished_exports(count: int) -> None:
    number, queries = find(dict.fromkeys(range(1, count + 1), FINISHED))
    assert number == count + 1
    assert queries <= 4


def test_one_query_suffices_for_fifteen_exports() -> None:
    assert find(dict.fromkeys(range(1, 16), FINISHED)) == (16, 1)


@given(st.integers(0, 200))
def test_unfinished_export_keeps_its_number(finished: int) -> None:
    runs = dict.fromkeys(range(1, finished + 1), FINISHED)
    assert find({**runs, finished + 1: run(finished=False)})[0] == finished + 1


@given(st.sets(st.integers(1, 500)))
def test_number_is_free_despite_deleted_records(numbers: set[int]) -> None:
    assert find(dict.fromkeys(numbers, FINISHED))[0] not in numbers


@pytest.mark.parametrize("deleted", [1, 2, 3])
def test_unfinished_export_is_found_behind_a_deleted_record(deleted: int) -> None:
    runs = {number: FINISHED for number in (1, 2, 3) if number != deleted} | {4: run(finished=False)}
    assert find(runs)[0] == 4


def test_deleted_running_export_is_not_reused() -> None:
    assert find({1: run(finished=False, deleted=True)})[0] == 2
