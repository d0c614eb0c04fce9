"""What the command line says, and how often."""

from typing import Any

import pytest

from deployments.command_line.commands.list_exports import row, without_link
from deployments.command_line.text.display import Lines
from deployments.command_line.text.plain_text import counted, duration, one_line, size
from deployments.command_line.text.progress_text import Pace, facts, failure, no_rows, phase
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
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (7260, "2 h 1 min")],
)
def test_durations(count: int, text: str) -> None:
    assert duration(count) == text


def test_one_is_one() -> None:
    assert [counted(number, "row") for number in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


def test_control_characters_reach_no_terminal() -> None:
    assert one_line("a\x1b[31m\r\nb\u202e") == "a [31m  b "


@pytest.mark.parametrize(
    ("change", "rate", "text"),
    [
        ({}, 1200, "4,200 of 10,000 rows, 1,200 rows/s, 5 s left"),
        ({}, None, "4,200 of 10,000 rows, 5 s left"),
        ({"etaSeconds": None}, 0, "4,200 of 10,000 rows"),
        ({"rows": {"expected": 1, "written": 1}}, None, "1 of 1 row"),
        ({"rows": {"expected": None, "written": 0}}, None, ""),
        ({"status": "queued"}, None, ""),
        ({"status": "queued", "queue": {"position": 2}}, None, "2 exports before it"),
    ],
)
def test_progress_says_what_is_known(change: dict[str, Any], rate: int | None, text: str) -> None:
    assert facts(JOB | change, rate) == text


def test_a_phase_of_a_newer_service_is_no_crash() -> None:
    assert (phase(JOB), phase(JOB | {"phase": "packing"})) == ("Exporting", "Running")


def test_the_pace_is_of_the_rows_since_the_first_and_begins_anew_with_another_attempt() -> None:
    clock = Clock()
    pace = Pace(lambda: seconds(clock))
    assert pace.rows_a_second(0) is None
    assert pace.rows_a_second(100) is None
    assert pace.rows_a_second(150) is None, "no time has passed"
    clock.move(seconds=2)
    assert pace.rows_a_second(300) == 100
    assert pace.rows_a_second(50) is None
    clock.move(seconds=1)
    assert pace.rows_a_second(60) == 10


def test_lines_come_with_each_phase_and_seldom_within_one() -> None:
    clock, said = Clock(), []
    lines = Lines(said.append, lambda: seconds(clock))
    for written in (1000, 2000, 3000):
        lines.job(JOB | {"rows": {"expected": 10_000, "written": written}})
        clock.move(seconds=6)
    lines.job(JOB | {"phase": "verifying", "status": "finalizing", "etaSeconds": None})
    lines.received(10, 20)
    assert said == [
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
            f"It took too long (source.timeout). Quote {JOB['id']}.",
        ),
        (
            {"code": "internal", "message": f"The export failed. Quote {JOB['id']}."},
            f"The export failed. Quote {JOB['id']} (internal).",
        ),
        (None, f"The export ended without a file. Quote {JOB['id']}."),
    ],
)
def test_a_failure_is_told_with_the_id_to_quote(error: Any, text: str) -> None:
    assert failure(JOB | {"error": error}) == text


def test_no_rows_where_none_are_needed_is_no_failure() -> None:
    error = {"code": "rows.none", "message": "There were no rows, so no file was made."}
    assert no_rows(JOB | {"status": "cancelled", "error": error})
    assert not no_rows(JOB | {"status": "cancelled", "error": error | {"code": "source.cancelled"}})
    assert not no_rows(JOB)


def test_a_row_of_the_list() -> None:
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
    assert row(job, UTC) == expected
    assert row(JOB, UTC)[4:] == ["4,200", "", "2024-07-19 12:00", ""]


def test_no_link_is_kept() -> None:
    file = {"rows": 1, "url": "https://secret", "urlExpiresAt": "2024-07-26T12:00:00Z"}
    assert without_link(JOB | {"file": file})["file"] == {"rows": 1}
    assert without_link(JOB)["file"] is None
