from datetime import timedelta

import pytest

from flows.storage.orphans import OwnerRun, StoredObject, is_orphan
from tests.support.clock import NOON

JOB_ID = "899e1228-d7b8-40fc-8490-70e6f1efb338"
OLDEST = NOON - timedelta(days=7)
FIRST = StoredObject(f"{JOB_ID}/1.csv", NOON)
OLD = StoredObject(f"{JOB_ID}/1.csv", OLDEST - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("stored", "owner", "orphan"),
    [
        (FIRST, OwnerRun(ended=True, attempt=1), False),
        (FIRST, OwnerRun(ended=True, attempt=2), True),
        (FIRST, OwnerRun(ended=True, attempt=None), True),
        (FIRST, OwnerRun(ended=False, attempt=None), False),
        (FIRST, OwnerRun(ended=False, attempt=2), False),
        (FIRST, None, False),
        (OLD, None, True),
        (OLD, OwnerRun(ended=True, attempt=1), False),
        (StoredObject(f"{JOB_ID}/12.csv.gz", NOON), OwnerRun(ended=True, attempt=1), True),
    ],
)
def test_an_orphan_is_an_object_that_no_receipt_names(
    stored: StoredObject, owner: OwnerRun | None, orphan: bool
) -> None:
    assert is_orphan(stored, owner, OLDEST) is orphan


@pytest.mark.parametrize(
    "key",
    ["read-me.txt", f"{JOB_ID}", f"{JOB_ID}/", f"{JOB_ID}/x.csv", f"a/{JOB_ID}/1.csv", f"{JOB_ID}/1.csv/2"],
)
def test_foreign_objects_are_kept(key: str) -> None:
    stored = StoredObject(key, OLDEST - timedelta(days=1000))
    assert not is_orphan(stored, None, OLDEST)
