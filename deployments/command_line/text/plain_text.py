"""Format values for a terminal, and remove control characters from untrusted text."""

from datetime import datetime, tzinfo

_STEP = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")
_MINUTE, _HOUR = 60, 3600


def strip_controls(text: str) -> str:
    """Replace control characters with spaces, because they could manipulate the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def format_size(byte_count: int) -> str:
    """Format a byte count, for example as `52.1 kB`."""
    number, unit = float(byte_count), 0
    while number >= _STEP - 0.05 and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if unit else f"{byte_count} B"


def format_duration(seconds: int) -> str:
    """Format a duration, for example as `1 h 2 min`."""
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
    return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"


def format_count(number: int, noun: str) -> str:
    """Format a number with its noun, for example as `1 row` or `1,200 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_local_time(timestamp: str | None, zone: tzinfo | None) -> str:
    """Format an ISO timestamp in `zone`, or in the time zone of this machine if `zone` is None."""
    return f"{datetime.fromisoformat(timestamp).astimezone(zone):%Y-%m-%d %H:%M}" if timestamp else ""
