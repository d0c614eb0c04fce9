"""Test how the command line formats values, progress and failures."""

import io
from typing import Any

import pytest
from rich.console import Console

from deployments.command_line.commands.list_exports import format_row, remove_link
from deployments.command_line.text.display import BarDisplay, LineDisplay, create_bar
from deployments.command_line.text.plain_text import (
    format_count,
    format_duration,
    format_size,
    strip_controls,
)
from deployments.command_line.text.progress_text import (
    RowRate,
    format_failure,
    format_phase,
    format_progress,
    has_no_rows,
)
from tests.support.clock import UTC, Clock

JOB: dict[str, Any] = {
    "id": "899e1228-d7b8-40fc-8490-70e6f1efb338",
    "report": "orders",
    "name": None,
    "status": "running",
    "phase": "exporting",
    "rows": {"expected": 10_000, "written": 4_200},
    "queue": {"position": 0},
    "etaSeconds": 5,
    "file": None,
    "error": None,
    "createdAt": "2024-07-19T12:00:00+00:00",
}


def seconds(clock: Clock) -> float:
    return clock.now.timestamp()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (48_009, "48.0 kB"),
        (999_960, "1.0 MB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_sizes_have_units(count: int, text: str) -> None:
    assert format_size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (7260, "2 h 1 min")],
)
def test_durations_have_units(count: int, text: str) -> None:
    assert format_duration(count) == text


def test_the_noun_follows_the_count() -> None:
    assert [format_count(number, "row") for number in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


def test_control_characters_never_reach_the_terminal() -> None:
    assert strip_controls("a\x1b[31m\r\nb\u202e") == "a [31m  b "


@pytest.mark.parametrize(
    ("change", "rate", "text"),
    [
        ({}, 1200, "4,200 of 10,000 rows, 1,200 rows/s, 5 s left"),
        ({}, None, "4,200 of 10,000 rows, 5 s left"),
        ({"etaSeconds": None}, 0, "4,200 of 10,000 rows"),
        ({"rows": {"expected": 1, "written": 1}}, None, "1 of 1 row"),
        ({"rows": {"expected": None, "written": 0}}, None, ""),
        ({"status": "queued"}, None, ""),
        ({"status": "queued", "queue": {"position": 2}}, None, "2 exports ahead"),
    ],
)
def test_progress_shows_what_is_known(change: dict[str, Any], rate: int | None, text: str) -> None:
    assert format_progress(JOB | change, rate) == text


def test_an_unknown_phase_falls_back_to_the_status() -> None:
    assert (format_phase(JOB), format_phase(JOB | {"phase": "packing"})) == ("Exporting", "Running")


def test_the_row_rate_restarts_with_a_new_attempt() -> None:
    clock = Clock()
    rate = RowRate(lambda: seconds(clock))
    assert rate.update(0) is None
    assert rate.update(100) is None
    assert rate.update(150) is None, "no time has passed"
    clock.move(seconds=2)
    assert rate.update(300) == 100
    assert rate.update(50) is None
    clock.move(seconds=1)
    assert rate.update(60) == 10


def test_lines_are_printed_for_each_phase_and_rarely_within_one() -> None:
    clock, printed = Clock(), []
    display = LineDisplay(printed.append, lambda: seconds(clock))
    for written in (1000, 2000, 3000):
        display.show_job(JOB | {"rows": {"expected": 10_000, "written": written}})
        clock.move(seconds=6)
    display.show_job(JOB | {"phase": "verifying", "status": "finalizing", "etaSeconds": None})
    display.show_download(10, 20)
    assert printed == [
        f"Export {JOB['id']}: Exporting: 1,000 of 10,000 rows, 5 s left",
        "Exporting: 3,000 of 10,000 rows, 167 rows/s, 5 s left",
        "Verifying: 4,200 of 10,000 rows, 178 rows/s",
        "Downloading: 10 B of 20 B",
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            {"code": "source.timeout", "message": "It took too long."},
            f"It took too long (source.timeout). Export id: {JOB['id']}.",
        ),
        (
            {"code": "internal", "message": f"The export failed. Quote {JOB['id']}."},
            f"The export failed. Quote {JOB['id']} (internal).",
        ),
        (None, f"The export ended without a file. Export id: {JOB['id']}."),
    ],
)
def test_a_failure_names_the_id_to_quote(error: Any, text: str) -> None:
    assert format_failure(JOB | {"error": error}) == text


def test_only_the_code_rows_none_means_no_rows() -> None:
    error = {"code": "rows.none", "message": "There were no rows, so no file was created."}
    assert has_no_rows(JOB | {"status": "cancelled", "error": error})
    assert not has_no_rows(JOB | {"status": "cancelled", "error": error | {"code": "source.cancelled"}})
    assert not has_no_rows(JOB)


def test_a_listed_export_has_a_row() -> None:
    file = {"rows": 4_200, "bytes": 48_009, "expiresAt": "2024-07-26T12:00:00+02:00", "url": "https://secret"}
    job = JOB | {"status": "done", "name": "A\x1b[31m", "file": file}
    expected = [
        JOB["id"],
        "orders",
        "A [31m",
        "done",
        "4,200",
        "48.0 kB",
        "2024-07-19 12:00",
        "2024-07-26 10:00",
    ]
    assert format_row(job, UTC) == expected
    assert format_row(JOB, UTC)[4:] == ["4,200", "", "2024-07-19 12:00", ""]


def test_json_output_contains_no_link() -> None:
    file = {"rows": 1, "url": "https://secret", "urlExpiresAt": "2024-07-26T12:00:00Z"}
    assert remove_link(JOB | {"file": file})["file"] == {"rows": 1}
    assert remove_link(JOB)["file"] is None


@pytest.mark.parametrize(("width", "text"), [(120, "4,200 of 10,000 rows"), (80, "4,200 of"), (40, "42%")])
def test_the_progress_bar_fits_on_one_line_of_the_terminal(width: int, text: str) -> None:
    console = Console(width=width, force_terminal=True, file=io.StringIO(), color_system=None)
    bar = create_bar(console)
    BarDisplay(bar).show_job(JOB)
    console.print(bar.get_renderable())
    line = console.file.getvalue().rstrip("\n")  # type: ignore[attr-defined]
    assert "Exporting ━" in line
    assert text in line
    assert "\n" not in line
    assert len(line) <= width
