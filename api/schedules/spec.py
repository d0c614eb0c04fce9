"""The definition of a schedule, independent of HTTP and Prefect."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.schedules import timetable
from flows.query.report import DEFAULT_REPORT
from flows.schedules import relative_range
from flows.schedules.parameters import ScheduleParameters
from flows.schedules.recurrence import Recurrence
from flows.schedules.relative_range import Range
from flows.webhooks.subscriptions import Subscription


@dataclass(frozen=True)
class ScheduleSpec:
    """A schedule as the caller defined it. `export` is a request without dates."""

    name: str
    enabled: bool
    recurrence: Recurrence
    range: Range | None
    export: Mapping[str, Any]
    only_if_rows: bool
    notify: tuple[Subscription, ...] = ()

    @property
    def report(self) -> str:
        return str(self.export.get("report") or DEFAULT_REPORT)

    def recurring(self, since: datetime) -> ScheduleParameters:
        """Return the schedule's parameters for the export flow."""
        at_midnight = timetable.at_midnight(self.recurrence)
        return ScheduleParameters(
            self.range, self.only_if_rows, self.recurrence.zone, since, at_midnight, self.notify
        )

    def as_body(self) -> dict[str, Any]:
        """Return the request body that creates this schedule, omitting `notify`."""
        return {
            "name": self.name,
            "enabled": self.enabled,
            "recurrence": self.recurrence.as_body(),
            "range": relative_range.as_body(self.range) if self.range is not None else None,
            "export": dict(self.export),
            "onlyIfRows": self.only_if_rows,
        }
