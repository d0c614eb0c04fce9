"""Parse the `Prefer` header (RFC 7240) of long polls, such as `Prefer: wait=20`."""

import re

WAIT = re.compile(r"\bwait=(\d{1,4})\b", re.ASCII)
MAX_WAIT_SECONDS = 60


def wait_seconds(prefer: str) -> int:
    match = WAIT.search(prefer)
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0
