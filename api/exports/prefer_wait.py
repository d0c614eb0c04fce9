"""How long a client wants to wait for news (RFC 7240). Pure."""

import re

WAIT = re.compile(r"\bwait=(\d{1,4})\b", re.ASCII)
LONGEST_WAIT_SECONDS = 60


def wait_seconds(prefer: str) -> int:
    found = WAIT.search(prefer)
    return min(int(found[1]), LONGEST_WAIT_SECONDS) if found else 0
