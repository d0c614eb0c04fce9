"""Test that every fault in every storage call leaves an object either complete or absent."""

import logging
import random
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_args

import pytest

from flows.errors import ExportError, StorageTimeout
from flows.storage import s3_calls
from flows.storage.orphans import StoredObject
from flows.storage.protocol import content_disposition, storage_errors, upload
from flows.storage.s3 import PART_BYTES, S3Storage
from tests.support.guarantee_table import GuaranteeTable
from tests.support.running_stack import Stack
from tests.support.s3_proxy import Fault, Operation, Rule, S3Proxy

SMALL, MANY_PARTS = 1000, 2 * PART_BYTES + 1000
ALWAYS = 10**6
NOT_INJECTED = "the fault was not injected"
TIMED_OUT = "a call timed out, although the fault was a different one"
SILENCE_SECONDS = 3.0
SAMPLE, RUNS = 10, 3
CASES_AT_ONCE = 4  # most cases spend their time waiting
FINAL_FAULTS = ("AccessDenied", "silent before", "silent after")


class SourceDied(Exception):
    pass


@dataclass(frozen=True)
class Call:
    """A storage call in an upload of `size` bytes. `part` is the number of a part.

    The upload makes the call only if `cause` has injected faults before. If `dies` is true, the upload is
    aborted.
    """

    operation: Operation
    size: int
    part: int | None = None
    dies: bool = False
    cause: Rule | None = None


# The first and the last part fail. All other calls are made once in an upload.
CALLS = (
    Call("Put", SMALL),
    Call("Get", SMALL),
    Call("Delete", SMALL, cause=Rule("Put", "reset after", ALWAYS)),
    Call("Create", MANY_PARTS),
    Call("Part", MANY_PARTS, part=1),
    Call("Part", MANY_PARTS, part=3),
    Call("Complete", MANY_PARTS),
    Call("Abort", MANY_PARTS, dies=True),
    Call("List", MANY_PARTS, cause=Rule("Create", "reset after", ALWAYS)),
)


@dataclass(frozen=True)
class Case:
    """A call that fails according to `rule`."""

    call: Call
    rule: Rule


def cases() -> list[Case]:
    """Return a case for every call, every fault and whether it occurs once or every time."""
    faults: tuple[Fault, ...] = get_args(Fault)
    return [
        Case(call, Rule(call.operation, fault, times, call.part))
        for call in CALLS
        for fault in faults
        for times in (1, ALWAYS)
    ]


OpenStorage = Callable[[S3Proxy], S3Storage]


@pytest.fixture
def open_storage(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> OpenStorage:
    """Return a function that creates a separate storage client for each case.

    A shared client would stop retrying after many errors.
    """
    for name, value in stack.aws.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3_calls, "TRIES_PER_CALL", 2)
    return lambda proxy: S3Storage(stack.bucket, "storage-faults", SILENCE_SECONDS, proxy.url)


def store(storage: S3Storage, key: str, content: bytes, dies: bool) -> None:
    with upload(storage, key) as started:
        for start in range(0, len(content), 1 << 20):
            started.write(content[start : start + (1 << 20)])
        if dies:
            raise SourceDied
        started.commit()


def link_returns(storage: S3Storage, key: str, content: bytes) -> bool:
    """Return whether the response to a signed link reports the object's full size.

    The flow makes the same check before it completes an export.
    """
    with storage_errors():
        link = storage.sign(key, content_disposition("a.csv"), 900, datetime.now(UTC))
        return storage.link_size(link) == len(content)


def read(s3: Any, stack: Stack, key: str) -> bytes | None:
    """Read the object directly from the server. Return None if it does not exist."""
    path = f"storage-faults/{key}"
    if not s3.list_objects_v2(Bucket=stack.bucket, Prefix=path).get("Contents"):
        return None
    return bytes(s3.get_object(Bucket=stack.bucket, Key=path)["Body"].read())


def sweep(storage: S3Storage, key: str) -> list[StoredObject]:
    """Abort the key's unfinished uploads as the sweep flow does, and return any that remain."""
    for unfinished in list(storage.list_unfinished()):
        if unfinished.key == key:
            storage.abort_upload(unfinished)
    return [unfinished for unfinished in storage.list_unfinished() if unfinished.key == key]


def may_end_the_attempt(call: Call, rule: Rule) -> bool:
    """Return whether the fault may end the attempt despite retries."""
    if call.dies or call.cause is not None or call.operation == "Get":  # links are checked without retries
        return True
    if rule.times > 1 or rule.fault in FINAL_FAULTS:
        return True
    if rule.fault.startswith("error with status 200"):  # the client expects this only from Complete
        return rule.operation != "Complete" or rule.fault.endswith("after")
    # If the response to a commit is lost, the retry fails because the key already exists.
    return rule.fault.endswith("after") and rule.operation in ("Put", "Complete")


def violation(case: Case, open_storage: OpenStorage, s3: Any, stack: Stack) -> str | None:
    """Run the case. Return a description of what went wrong, or None.

    On a busy machine, a call other than the failing one may time out. The case is then repeated.
    """
    for _ in range(RUNS):
        with closing(S3Proxy(stack.s3_endpoint_url)) as proxy:
            result = run(case, open_storage(proxy), proxy, s3, stack)
        if result not in (NOT_INJECTED, TIMED_OUT):
            break
    return result


@cache
def file_of(size: int) -> bytes:
    return random.Random(0).randbytes(size)  # noqa: S311 - not a secret


def run(case: Case, storage: S3Storage, proxy: S3Proxy, s3: Any, stack: Stack) -> str | None:
    call, rule = case.call, case.rule
    key, content = f"{secrets.token_hex(8)}/1.csv", file_of(call.size)
    stored, failure = False, None
    with proxy.failing(rule, *([call.cause] if call.cause else [])):
        try:
            store(storage, key, content, call.dies)
            stored = link_returns(storage, key, content)
        except (ExportError, SourceDied) as error:
            failure = error
        if not proxy.hits[rule]:
            return NOT_INJECTED
    stored_content = read(s3, stack, key)
    if is_partial(stored_content, content):
        return "a partial object is readable"
    if stored and stored_content is None:
        return "the upload succeeded, but the object is missing"
    if not stored and not may_end_the_attempt(call, rule):
        if isinstance(failure, StorageTimeout):
            return TIMED_OUT
        return f"one fault ended the attempt: {failure!r} from {failure and failure.__cause__!r}"
    return "an unfinished upload is left" if sweep(storage, key) else None


@pytest.mark.timeout(1800)
def test_an_object_is_complete_or_absent_after_every_storage_fault(
    open_storage: OpenStorage,
    s3: Any,
    stack: Stack,
    guarantees: GuaranteeTable,
    is_long_run: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # pytest would keep the traceback of each logged error, and with it the bytes of the parts.
    caplog.set_level(logging.CRITICAL, "flows.storage")
    chosen = cases()
    if not is_long_run:
        chosen = random.Random(guarantees.seed).sample(chosen, SAMPLE)  # noqa: S311 - not a secret
    with ThreadPoolExecutor(CASES_AT_ONCE) as pool:
        results = list(pool.map(lambda case: violation(case, open_storage, s3, stack), chosen))
    violations = [f"{case}: {text}" for case, text in zip(chosen, results, strict=True) if text is not None]
    half = put(s3, stack, b"half")
    guarantees.add(
        "G3: a file is complete or absent",
        len(results),
        len(violations),
        f"{len({case.rule.operation for case in chosen})} operations,"
        f" {len({case.rule.fault for case in chosen})} faults, once and always",
        "half an object is stored",
        is_partial(read(s3, stack, half), b"half of it"),
    )
    assert violations == [], "\n".join([f"seed {guarantees.seed}", *violations])


def is_partial(stored: bytes | None, content: bytes) -> bool:
    return stored not in (None, content)


def put(s3: Any, stack: Stack, content: bytes) -> str:
    key = f"{secrets.token_hex(8)}/1.csv"
    s3.put_object(Bucket=stack.bucket, Key=f"storage-faults/{key}", Body=content)
    return key
