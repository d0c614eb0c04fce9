from datetime import timedelta

import pytest

from flows.storage.orphans import Owner, Stored, is_leftover
from tests.support.clock import NOON

JOB_ID = "899e1228-d7b8-40fc-8490-70e6f1efb338"
OLDEST = NOON - timedelta(days=7)
FIRST = Stored(f"{JOB_ID}/1.csv", NOON)
OLD = Stored(f"{JOB_ID}/1.csv", OLDEST - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("stored", "owner", "leftover"),
    [
        (FIRST, Owner(ended=True, attempt=1), False),
        (FIRST, Owner(ended=True, attempt=2), True),
        (FIRST, Owner(ended=True, attempt=None), True),
        (FIRST, Owner(ended=False, attempt=None), False),
        (FIRST, Owner(ended=False, attempt=2), False),
        (FIRST, None, False),
        (OLD, None, True),
        (OLD, Owner(ended=True, attempt=1), False),
        (Stored(f"{JOB_ID}/12.csv.gz", NOON), Owner(ended=True, attempt=1), True),
    ],
)
def test_only_what_nobody_can_want_is_a_leftover(stored: Stored, owner: Owner | None, leftover: bool) -> None:
    assert is_leftover(stored, owner, OLDEST) is leftover


@pytest.mark.parametrize(
    "key",
    ["read-me.txt", f"{JOB_ID}", f"{JOB_ID}/", f"{JOB_ID}/x.csv", f"a/{JOB_ID}/1.csv", f"{JOB_ID}/1.csv/2"],
)
def test_what_has_no_key_of_ours_is_left_alone(key: str) -> None:
    stored = Stored(key, OLDEST - timedelta(days=1000))
    assert not is_leftover(stored, None, OLDEST)
