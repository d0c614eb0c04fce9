"""The caller: who sends a request, and what they may see."""

import re
from dataclasses import dataclass

from flows.runs.tags import LOCAL_CALLER as LOCAL_CALLER

# The name becomes a tag of the run: no spaces, no line breaks.
NAME = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Caller:
    """`reports` names the reports they may use; None is all. `sees_pii`: unmasked personal data."""

    name: str
    reports: frozenset[str] | None = None
    sees_pii: bool = True

    def may_see(self, masked: bool) -> bool:
        """Return whether they may see an export that was created with or without masks."""
        return masked or self.sees_pii


LOCAL = Caller(LOCAL_CALLER)
