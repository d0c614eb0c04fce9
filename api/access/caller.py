"""The caller of a request and their permissions."""

import re
from dataclasses import dataclass

from flows.runs.tags import LOCAL_CALLER as LOCAL_CALLER

# The name becomes part of a Prefect tag, so spaces and line breaks are not allowed.
NAME = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Caller:
    name: str
    reports: frozenset[str] | None = None  # names of the permitted reports; None permits all
    sees_pii: bool = True  # False masks personal data

    def may_see(self, masked: bool) -> bool:
        """Return whether the caller may see an export or schedule.

        `masked` is true if personal data is masked in it.
        """
        return masked or self.sees_pii


LOCAL = Caller(LOCAL_CALLER)
