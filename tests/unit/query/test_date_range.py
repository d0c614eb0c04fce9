from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.query.date_range import parse_date_or_timestamp, parse_time_zone, resolve

BERLIN, NEW_YORK, SAO_PAULO = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "America/Sao_Paulo"))


def at(day: int, hour: int = 0, minute: int = 0, month: int = 7, year: int = 2024) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-7-19", date(2024, 7, 19)),
        ("2024-07-19", date(2024, 7, 19)),
        ("2024-7-9", date(2024, 7, 9)),
        ("2024-02-29", date(2024, 2, 29)),
        ("1900-01-01", date(1900, 1, 1)),
        ("2199-12-31", date(2199, 12, 31)),
        ("2024-07-19T10:30:00Z", at(19, 10, 30)),
        ("2024-07-19t10:30:00z", at(19, 10, 30)),
        ("2024-07-19T10:30:00+02:00", at(19, 8, 30)),
        ("2024-07-19T10:30:00-23:59", at(20, 10, 29)),
        ("2024-07-19T10:30:00.5Z", datetime(2024, 7, 19, 10, 30, 0, 500000, UTC)),
        ("2024-07-19T10:30:00.123456Z", datetime(2024, 7, 19, 10, 30, 0, 123456, UTC)),
    ],
)
def test_dates_may_be_unpadded_and_timestamps_are_rfc_3339(text: str, expected: date | datetime) -> None:
    assert parse_date_or_timestamp(text) == expected
    assert type(parse_date_or_timestamp(text)) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "2024-13-1",
        "2024-2-30",
        "2023-02-29",
        "2024-00-10",
        "2024-7-0",
        "1720000000",
        1720000000,
        1720000000.5,
        True,
        None,
        [],
        {},
        "",
        "now",
        "today",
        # Arabic-Indic and full-width digits.
        "\u0662\u0660\u0662\u0664-\u0660\u0667-\u0661\u0669",
        "\uff12\uff10\uff12\uff14-07-19",
        "2024-07-1\uff19",
        "0001-01-01",
        "1899-12-31",
        "2200-01-01",
        "9999-12-31",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "12024-07-19",
        "24-07-19",
        "2024/07/19",
        "19.7.2024",
        "20240719",
        "2024-W29-5",
        " 2024-07-19",
        "2024-07-19\n",
        "-2024-07-19",
        "2024-07-19T10:30:00",
        "2024-07-19 10:30:00Z",
        "2024-07-19T10:30Z",
        "2024-07-19T25:00:00Z",
        "2024-07-19T23:59:60Z",
        "2024-07-19T10:30:00+99:99",
        "2024-07-19T10:30:00+24:00",
        "2024-07-19T10:30:00+0200",
        "2024-07-19T10:30:00.1234567Z",
        "2024-07-19T10:30:00Z[Europe/Berlin]",
        "2024-07-19" * 10_000,
    ],
)
def test_an_invalid_date_is_rejected_with_a_reason(text: object) -> None:
    with pytest.raises(ValueError, match=r"must|is not a|out of range"):
        parse_date_or_timestamp(text)


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d{1,2}-\d{1,2}([Tt].{0,20})?", fullmatch=True))
@settings(max_examples=100)
def test_any_text_is_parsed_in_range_or_raises_value_error(text: str) -> None:
    try:
        parsed = parse_date_or_timestamp(text)
    except ValueError:
        return
    assert 1899 <= parsed.year <= 2200


@pytest.mark.parametrize(
    ("day", "zone", "start", "hours"),
    [
        (date(2024, 7, 19), ZoneInfo("UTC"), at(19), 24),
        (date(2024, 7, 19), BERLIN, at(18, 22), 24),
        (date(2024, 3, 31), BERLIN, at(30, 23, month=3), 23),
        (date(2024, 10, 27), BERLIN, at(26, 22, month=10), 25),
        (date(2024, 3, 10), NEW_YORK, at(10, 5, month=3), 23),
        (date(2024, 11, 3), NEW_YORK, at(3, 4, month=11), 25),
        # On this day, the clocks skip midnight, so the day starts at 01:00.
        (date(2018, 11, 4), SAO_PAULO, at(4, 3, month=11, year=2018), 23),
    ],
)
def test_a_date_covers_the_whole_day_in_its_zone(
    day: date, zone: ZoneInfo, start: datetime, hours: int
) -> None:
    period = resolve(day, day, zone)
    assert (period.start, period.end) == (start, start + timedelta(hours=hours))


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
def test_consecutive_days_have_no_gap_or_overlap(zone: ZoneInfo) -> None:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    ranges = [resolve(day, day, zone) for day in days]
    assert [day.end for day in ranges[:-1]] == [day.start for day in ranges[1:]]


def test_an_end_date_is_included() -> None:
    week = resolve(date(2024, 7, 19), date(2024, 7, 26), ZoneInfo("UTC"))
    assert (week.start, week.end) == (at(19), at(27))
    assert week.days == 8


def test_an_end_timestamp_is_excluded() -> None:
    hour = resolve(at(19, 10), at(19, 11), BERLIN)
    assert (hour.start, hour.end) == (at(19, 10), at(19, 11))


def test_a_day_that_the_zone_skipped_has_a_date_but_no_instant() -> None:
    skipped = date(2011, 12, 30)
    period = resolve(skipped, skipped, ZoneInfo("Pacific/Apia"))
    assert period.dates == (skipped, date(2011, 12, 31))
    assert period.start == period.end


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2024, 7, 20), date(2024, 7, 19)),
        (at(19, 11), at(19, 10)),
        (at(19, 11), at(19, 11)),
        (date(2024, 7, 20), at(20)),
    ],
)
def test_an_empty_range_is_rejected(start: Any, end: Any) -> None:
    with pytest.raises(ValueError, match="must be after"):
        resolve(start, end, ZoneInfo("UTC"))


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Pacific/Kiritimati"])
def test_the_first_and_last_dates_work_in_every_zone(zone: str) -> None:
    assert resolve(date(1900, 1, 1), date(2199, 12, 31), ZoneInfo(zone)).days > 100_000


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "europe/berlin", "+02:00", 1, None]
)
def test_a_time_zone_must_be_an_iana_name(name: object) -> None:
    assert parse_time_zone("Europe/Berlin").key == "Europe/Berlin"
    with pytest.raises(ValueError, match="IANA"):
        parse_time_zone(name)
