"""Who asks, and what they may see. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.runs.tags import LOCAL_CALLER as LOCAL_CALLER

if TYPE_CHECKING:  # it brings pandas: the command that makes keys does without
    from flows.query.report import Report

# It becomes a tag of the run: no blanks, no line breaks.
NAME = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Caller:
    """`reports` are those they may use; None is all. `sees_pii`: also what is about a person."""

    name: str
    reports: frozenset[str] | None = None
    sees_pii: bool = True

    def permitted(self, reports: "Mapping[str, Report]") -> "Mapping[str, Report]":
        """What they may not use does not exist for them, and what they may not see is mask_reports."""
        if self.reports is not None:
            reports = {name: report for name, report in reports.items() if name in self.reports}
        if self.sees_pii:
            return reports
        from flows.query.masking import mask_reports

        return mask_reports(reports)

    def may_see(self, mask_reports: bool) -> bool:
        """Whether what was made with or without masks is for their eyes."""
        return mask_reports or self.sees_pii


LOCAL = Caller(LOCAL_CALLER)
