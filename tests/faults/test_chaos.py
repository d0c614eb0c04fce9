"""Test that no export is lost, wrong or duplicated while random faults are injected."""

import hashlib
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support import flow_runs
from tests.support.chaos import Chaos, chaos_on, difference
from tests.support.chaos_faults import Faults
from tests.support.guarantee_table import GuaranteeTable
from tests.support.running_stack import Stack

SOME_JOBS, SOME_FAULTS = 6, 6
ALL_JOBS, ALL_FAULTS = 500, 200
MAX_SECONDS = 660.0  # a machine that reaches this limit is too slow for the test
RECOVERY_SECONDS = 60.0
PAUSE_SECONDS = 0.2
UNKNOWN = "00000000-0000-4000-8000-000000000000"
# A job may fail with one of these codes if faults interrupted all of its attempts.
EXPECTED_ERRORS = {
    "source.unavailable",
    "source.timeout",
    "storage.unavailable",
    "storage.timeout",
    "worker.lost",
}


@dataclass(frozen=True)
class Storage:
    """The objects and unfinished uploads in the stack's bucket."""

    s3: Any
    bucket: str

    def keys_of(self, job_ids: Collection[str]) -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        objects = [item["Key"] for page in pages for item in page.get("Contents", [])]
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        keys = {*objects, *(upload["Key"] for upload in uploads)}
        return {key for key in keys if key.partition("/")[0] in job_ids}


@pytest.mark.timeout(3600)
def test_exports_survive_random_faults(
    stack: Stack, prefect: httpx.Client, s3: Any, guarantees: GuaranteeTable, is_long_run: bool
) -> None:
    jobs, faults = (ALL_JOBS, ALL_FAULTS) if is_long_run else (SOME_JOBS, SOME_FAULTS)
    storage = Storage(s3, stack.bucket)
    with chaos_on(stack, prefect, guarantees.seed, kills_parts=is_long_run) as (chaos, injected):
        with chaos.load():
            deadline = time.monotonic() + MAX_SECONDS
            while injected.counts.total() < faults or len(chaos.reports) < jobs:
                # Faults slow down the starts, so neither may get ahead of the other.
                if injected.counts.total() / faults <= len(chaos.reports) / jobs:
                    injected.inject()
                else:
                    time.sleep(PAUSE_SECONDS)
                if time.monotonic() > deadline:
                    break
        seconds = chaos.wait_until_all_ended(2 * RECOVERY_SECONDS)
        print(f"seed {guarantees.seed}: {dict(injected.counts)}")  # noqa: T201
        violations = {
            "failed polls": add_polls(guarantees, chaos),
            "lost or failed": add_lost(guarantees, chaos, injected, seconds, prefect),
            "wrong files": add_wrong_files(guarantees, chaos, injected, prefect),
            "left behind": add_orphans(guarantees, chaos, injected, prefect, storage),
        }
    texts = [f"{name}: {text}" for name, texts in violations.items() for text in texts]
    assert texts == [], "\n\n".join([f"seed {guarantees.seed}", *texts])
    assert (len(chaos.reports) >= jobs, injected.counts.total() >= faults) == (True, True), "too slow"


def add_lost(
    guarantees: GuaranteeTable, chaos: Chaos, faults: Faults, seconds: float, prefect: httpx.Client
) -> list[str]:
    failed = chaos.with_status("error")
    unexpected = {job["id"]: job["error"] for job in failed if job["error"]["code"] not in EXPECTED_ERRORS}
    problems = dict.fromkeys(chaos.unfinished, "has not ended") | unexpected
    if seconds > RECOVERY_SECONDS and not chaos.unfinished:
        problems[list(chaos.ended)[-1]] = f"ended {seconds:.0f} s after the last fault"
    lost = [describe(job_id, problem, faults, prefect) for job_id, problem in problems.items()]
    jobs = len(chaos.reports)
    chaos.reports[UNKNOWN] = "brief-orders"
    is_noticed = UNKNOWN in chaos.poll_unfinished()
    del chaos.reports[UNKNOWN]
    guarantees.add(
        "G1: an accepted export is never lost",
        jobs,
        len(lost),
        f"{faults.counts.total()} faults of {len(faults.counts)} kinds;"
        f" {len(chaos.with_status('done'))} done, {len(chaos.with_status('cancelled'))} cancelled,"
        f" {len(failed)} failed on all attempts;"
        f" the last one ended {seconds:.0f} s after the last fault",
        "a job that Prefect does not know never ends",
        is_noticed,
    )
    return lost


def describe(job_id: str, problem: object, faults: Faults, prefect: httpx.Client) -> str:
    """Return the problem with the job's states in Prefect and its lines in the logs of the processes."""
    return "\n".join(
        [f"{job_id}: {problem}", *flow_runs.describe_states(prefect, job_id), *faults.lines_about(job_id)]
    )


def add_wrong_files(
    guarantees: GuaranteeTable, chaos: Chaos, faults: Faults, prefect: httpx.Client
) -> list[str]:
    wrong = chaos.wrong_files()
    half = b"\xef\xbb\xbfnumber\r\nSO-2023-000001\r\n"
    is_noticed = difference(half, hashlib.sha256(half).hexdigest(), chaos.expected("brief-orders")) != ""
    guarantees.add(
        "G2: a file equals the database",
        len(chaos.with_status("done")),
        len(wrong),
        "rows and SHA-256 of each file",
        "a file with one row is compared",
        is_noticed,
    )
    return [describe(job_id, text, faults, prefect) for job_id, text in wrong.items()]


def add_orphans(
    guarantees: GuaranteeTable, chaos: Chaos, faults: Faults, prefect: httpx.Client, storage: Storage
) -> list[str]:
    """Run the sweep, add the result to the guarantee table and describe any remaining orphans."""
    job_id = next(iter(chaos.ended))
    planted = {f"{job_id}/98.csv", f"{job_id}/99.csv"}
    storage.s3.put_object(Bucket=storage.bucket, Key=f"{job_id}/98.csv", Body=secrets.token_bytes(8))
    storage.s3.create_multipart_upload(Bucket=storage.bucket, Key=f"{job_id}/99.csv")
    owned = chaos.stored_keys()
    before = storage.keys_of(chaos.reports) - owned
    # A job is reported as cancelled before its run has ended. The sweep skips runs that have not ended.
    flow_runs.wait_until_finished(prefect, *chaos.reports, within_seconds=RECOVERY_SECONDS)
    flow_runs.sweep(prefect)
    orphans = sorted(storage.keys_of(chaos.reports) - owned)
    guarantees.add(
        "G4: nothing is left behind",
        len(chaos.reports),
        len(orphans),
        f"{len(before - planted)} objects and uploads before the sweep",
        "a planted object and a planted upload are found before the sweep",
        planted <= before,
    )
    return [describe(key.partition("/")[0], f"left {key}", faults, prefect) for key in orphans]


def add_polls(guarantees: GuaranteeTable, chaos: Chaos) -> list[str]:
    """Add the number of failed polls to the guarantee table, and return a summary of each kind of failure.

    As a control, an unknown job is polled as if the API had already returned its id.
    """
    count, failures = chaos.polls.count, dict(chaos.polls.failures)
    chaos.poll_as_known(UNKNOWN)
    guarantees.add(
        "G7: a poll of a known job never fails",
        count,
        sum(failures.values()),
        "polls during all faults",
        "a poll of an unknown job counts as failed",
        chaos.polls.failures.total() == sum(failures.values()) + 1,
    )
    return [f"{times} with {failure}" for failure, times in failures.items()]
