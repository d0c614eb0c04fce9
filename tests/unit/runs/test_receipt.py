import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.runs.receipt import Receipt, RunProgress, parse_metadata, percent_written

RECEIPT = Receipt(
    attempt=2,
    name="survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv",
    rows=4200,
    bytes=1_234_567,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    snapshot_at="2024-07-19T12:00:00+00:00",
)


@pytest.mark.parametrize(
    "progress",
    [
        RunProgress(),
        RunProgress(0, 0, 0, "2024-07-19T12:00:00+00:00"),
        RunProgress(42, 4200, 10_000, "2024-07-19T12:00:00+00:00"),
        RunProgress(100, 4200, 4200, "2024-07-19T12:00:00+00:00", RECEIPT),
    ],
)
def test_progress_survives_storage_in_metadata(progress: RunProgress) -> None:
    metadata = progress.as_metadata()
    assert parse_metadata(metadata) == progress
    assert all(isinstance(text, str) and len(text) <= 500 for text in metadata.values())


def test_the_longest_texts_fit_into_metadata() -> None:
    longest = Receipt(10, "x" * 204, 10**18, 10**18, "f" * 64, "2024-07-19T12:00:00.000000+00:00")
    metadata = RunProgress(100, 10**18, 10**18, longest.snapshot_at, longest).as_metadata()
    assert max(map(len, metadata.values())) <= 500


@pytest.mark.parametrize("metadata", [None, {}, {"foo": "bar"}])
def test_foreign_metadata_is_ignored(metadata: dict[str, str] | None) -> None:
    assert parse_metadata(metadata) is None


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (RunProgress(), "counting rows"),
        (RunProgress(expected=0), "0 of 0 rows"),
        (RunProgress(written=4200, expected=10_000), "4,200 of 10,000 rows"),
    ],
)
def test_rows_text(progress: RunProgress, text: str) -> None:
    assert progress.rows_text == text


@pytest.mark.parametrize(
    ("written", "expected", "percent"),
    [(0, 0, 99), (0, 10, 0), (5, 10, 49), (10, 10, 99), (11, 10, 99), (1, 10**9, 0)],
)
def test_rows_alone_never_reach_100_percent(written: int, expected: int, percent: int) -> None:
    assert percent_written(written, expected) == percent


@given(st.lists(st.integers(0, 1000), max_size=20))
@settings(max_examples=50)
def test_the_percent_never_falls_while_rows_are_written(blocks: list[int]) -> None:
    written = [sum(blocks[:n]) for n in range(len(blocks) + 1)]
    percents = [percent_written(rows, written[-1]) for rows in written]
    assert percents == sorted(percents)
    assert percents[-1] == 99
