"""What others wrote, made fit for a terminal; numbers as people read them. Pure."""

from datetime import datetime, tzinfo

_STEP = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")
_MINUTE, _HOUR = 60, 3600


def one_line(text: str) -> str:
    """Without control characters: they could recolour, or rewrite, the reader's terminal."""
    return "".join(mark if mark.isprintable() else " " for mark in text)


def size(count: int) -> str:
    """52125 → `52.1 kB`."""
    number, unit = float(count), 0
    while number >= _STEP - 0.05 and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def duration(seconds: int) -> str:
    """3725 → `1 h 2 min`."""
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
    return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def local_time(text: str | None, zone: tzinfo | None) -> str:
    """`zone` None is this machine's."""
    return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M}" if text else ""
