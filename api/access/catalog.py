"""Select the reports that a caller may use and mask personal data in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from api.access.caller import Caller
from flows.query.masking import mask_reports
from flows.query.report import Report


class Resource(Protocol):
    """An export or a schedule.

    `masked` is true if its creator could not see personal data.
    """

    @property
    def report(self) -> str: ...

    @property
    def masked(self) -> bool: ...


@dataclass(frozen=True)
class Catalog:
    """All reports by name, both as declared and with personal data masked."""

    reports: Mapping[str, Report]
    masked: Mapping[str, Report]

    @classmethod
    def of(cls, reports: Mapping[str, Report]) -> "Catalog":
        return cls(reports, mask_reports(reports))

    def permitted(self, caller: Caller) -> Mapping[str, Report]:
        """Return the reports that the caller may use, masked if they may not see personal data."""
        reports = self.reports if caller.sees_pii else self.masked
        if caller.reports is None:
            return reports
        return {name: report for name, report in reports.items() if name in caller.reports}

    def covers(self, caller: Caller, resource: Resource) -> bool:
        """Return whether the key or token that was sent covers an export or a schedule of its caller.

        Several keys of one caller may have different rights. What a key does not cover does not exist for it.
        """
        return (resource.masked or caller.sees_pii) and _permits(caller, resource.report)


def _permits(caller: Caller, report: str) -> bool:
    return caller.reports is None or report in caller.reports
