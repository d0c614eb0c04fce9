"""Determine which reports, rows and personal data each caller may see."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Protocol

from api.access.caller import Caller
from flows.query.masking import mask_reports
from flows.query.report import Report
from flows.query.row_rights import Claims, Rights, allowed_values, covers, restrict_report
from flows.reports import BrokenReport

MAX_RESTRICTED = 256


class Resource(Protocol):
    """An export or a schedule.

    `masked` is true if the creator may not see personal data. `rights` limits the rows that the creator may
    see.
    """

    @property
    def report(self) -> str: ...

    @property
    def masked(self) -> bool: ...

    @property
    def request(self) -> Mapping[str, Any]: ...

    @property
    def rights(self) -> Rights | None: ...


@dataclass(frozen=True)
class Catalog:
    """All reports, both as declared and with personal data masked.

    Each dictionary is keyed by report name and changes while the API runs. `disabled` contains the reports
    that do not match the database.
    """

    reports: dict[str, Report]
    masked: dict[str, Report]
    disabled: dict[str, BrokenReport] = field(default_factory=dict)

    @classmethod
    def of(cls, reports: Mapping[str, Report]) -> "Catalog":
        return cls(dict(reports), mask_reports(reports))

    def update(self, report: Report) -> None:
        """Replace the report if its unsupported sort keys have changed since the previous database check."""
        if report.unsortable != self.reports[report.name].unsortable:
            self.reports[report.name] = report
            self.masked.update(mask_reports({report.name: report}))
            self.__dict__.pop("_restricted", None)  # the cached results contain the previous report

    @cached_property
    def claim_names(self) -> frozenset[str]:
        """The names of all claims that restrict the rows of any report."""
        return frozenset().union(*(report.claim_names for report in self.reports.values()))

    def permitted(self, caller: Caller) -> Mapping[str, Report]:
        """Return the reports that the caller may use.

        The reports contain only the rows that the caller may see. Personal data is masked if the caller may
        not see it.
        """
        reports: Mapping[str, Report] = self.reports if caller.sees_pii else self.masked
        if caller.claims is not None:
            reports = self._restricted(caller.sees_pii, frozenset(caller.claims.items()))
        return {
            name: report
            for name, report in reports.items()
            if name not in self.disabled and (caller.reports is None or name in caller.reports)
        }

    @cached_property
    def _restricted(self) -> Callable[[bool, frozenset[tuple[str, frozenset[str]]]], Mapping[str, Report]]:
        """Return a function that restricts all reports to the rows that a caller's claims allow.

        The results are cached, because each restriction takes a few milliseconds.
        """

        @lru_cache(MAX_RESTRICTED)
        def restrict(sees_pii: bool, items: frozenset[tuple[str, frozenset[str]]]) -> Mapping[str, Report]:
            reports, claims = self.reports if sees_pii else self.masked, dict(items)
            readable = {name: report for name, report in reports.items() if _has_rows(report, claims)}
            return {name: restrict_report(report, claims) for name, report in readable.items()}

        return restrict

    def covers(self, caller: Caller, resource: Resource) -> bool:
        """Return whether the caller may access the export or schedule with the current key or token.

        A caller's keys can have different rights, so one key cannot always access what another has created.
        """
        if not (resource.masked or caller.sees_pii):
            return False
        is_permitted = caller.reports is None or resource.report in caller.reports
        return is_permitted and self._covers_rows(caller.claims, resource)

    def _covers_rows(self, claims: Claims | None, resource: Resource) -> bool:
        """Return whether the claims allow all rows of the resource.

        Returns False if the report no longer exists, because the claims can no longer be checked.
        """
        if claims is None:
            return True
        report = self.reports.get(resource.report)
        made_with = resource.rights.claims if resource.rights is not None else None
        return report is not None and covers(report, claims, resource.request, made_with)


def _has_rows(report: Report, claims: Claims) -> bool:
    """Return whether the caller has at least one allowed value for each claim that restricts the report.

    If this is false, the report is hidden from the caller.
    """
    return all(allowed_values(claims, name) for name in report.claim_names)
