"""Convert recurrences to Prefect schedules and back, and compute their slots with Prefect's own code."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.server.schemas import schedules as server

from flows.errors import InvalidRequest, sentence
from flows.query.date_range import parse_time_zone
from flows.schedules.recurrence import EARLIEST, SLOTS_CHECKED, Recurrence, check_pace, every_text
from flows.schedules.relative_range import undo_dst_shift

Schedule = CronSchedule | IntervalSchedule | RRuleSchedule

# No RRULE starts before this day, so there are no earlier slots to skip. No time zone changes its clocks on
# this day.
ORDINARY_DAY = EARLIEST.replace(tzinfo=UTC)
MAX_SLOTS = 1000
_RULE_OF_DAYS = "RRULE:FREQ=DAILY;INTERVAL="
_LOCAL = "%Y%m%dT%H%M%S"
# Prefect adds this DTSTART to rules without one.
_IMPLIED_START = f"DTSTART:{EARLIEST:{_LOCAL}}\n"


def as_schedule(recurrence: Recurrence) -> Schedule:
    zone, text = recurrence.zone, recurrence.text
    if recurrence.kind == "cron":
        return CronSchedule(cron=text, timezone=zone.key)
    if recurrence.kind == "rrule":
        return RRuleSchedule(rrule=text, timezone=zone.key)
    assert recurrence.anchor is not None  # noqa: S101 - set by parse_recurrence
    if recurrence.whole_days:
        # When clocks change, the slots of an IntervalSchedule depend on when they are computed, so runs may
        # be skipped or repeated. A daily RRULE always keeps its local time.
        start = recurrence.anchor.astimezone(zone).strftime(_LOCAL)
        rule = f"DTSTART:{start}\n{_RULE_OF_DAYS}{recurrence.interval.days}"
        return RRuleSchedule(rrule=rule, timezone=zone.key)
    # UTC has no clock changes, so all intervals have the same length.
    return IntervalSchedule(interval=recurrence.interval, anchor_date=recurrence.anchor, timezone="UTC")


def as_recurrence(schedule: Schedule, slug: str | None, zone_name: str | None = None) -> Recurrence:
    """Return the recurrence as the caller defined it.

    `slug` identifies the kind of recurrence. It may be None for schedules created directly in Prefect.
    """
    zone = parse_time_zone(zone_name or schedule.timezone or "UTC")
    if isinstance(schedule, CronSchedule):
        return Recurrence("cron", schedule.cron, zone)
    if isinstance(schedule, IntervalSchedule):
        return Recurrence("every", every_text(schedule.interval), zone, schedule.anchor_date)
    start, separator, days = schedule.rrule.partition(f"\n{_RULE_OF_DAYS}")
    if slug == "every" and separator:
        local = datetime.strptime(start.removeprefix("DTSTART:"), _LOCAL)  # noqa: DTZ007 - zone is set below
        return Recurrence("every", f"P{days}D", zone, local.replace(tzinfo=zone))
    return Recurrence("rrule", schedule.rrule.removeprefix(_IMPLIED_START), zone)


def next_slots(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    """Return the next `count` slots, or fewer if the schedule ends earlier."""
    return list(islice((slot for slot in planned_from(schedule, after) if slot > after), count))


def planned_from(schedule: Schedule, start: datetime) -> Iterator[datetime]:
    """Yield the slots that Prefect's scheduler computes from `start` onwards.

    If the clocks change during the hour of `start`, the first slot may be earlier than `start`. In that case,
    Prefect has already planned the run for that slot.
    """
    for slot in _server_schedule(schedule)._get_dates_generator(n=MAX_SLOTS, start=start):
        yield datetime.fromtimestamp(slot.timestamp(), UTC)


def at_midnight(recurrence: Recurrence) -> bool:
    """Return whether some slots are in the first hour of the day and none are in its last hour."""
    zone, slots = recurrence.zone, islice(planned_from(as_schedule(recurrence), ORDINARY_DAY), SLOTS_CHECKED)
    hours = {undo_dst_shift(slot, zone).astimezone(zone).hour for slot in slots}
    return 0 in hours and 23 not in hours


def check_cron(recurrence: Recurrence, pointer: str = "/recurrence") -> None:
    """Raise InvalidRequest if the cron expression is invalid, never matches or matches too often."""
    try:
        slots = next_slots(CronSchedule(cron=recurrence.text, timezone="UTC"), ORDINARY_DAY, SLOTS_CHECKED)
        check_pace(slots)
    except ValueError as error:
        is_our_message = str(error).startswith("must")
        detail = sentence(error) if is_our_message else "Must be a cron expression that has a next run."
        raise InvalidRequest.at(f"{pointer}/cron", "invalid", detail) from None


def _server_schedule(schedule: Schedule) -> server.SCHEDULE_TYPES:
    """Convert the schedule to the Prefect server's class, because only that class can compute slots."""
    fields = schedule.model_dump()
    if isinstance(schedule, CronSchedule):
        return server.CronSchedule.model_validate(fields)
    if isinstance(schedule, IntervalSchedule):
        return server.IntervalSchedule.model_validate(fields)
    return server.RRuleSchedule.model_validate(fields)
