"""Test that the estimated size of a file is close to its actual size."""

import random
from datetime import timedelta
from typing import Any

import pytest

from flows.formats.protocol import TextSize
from tests.support.clock import NOON
from tests.support.engines import file_from_snapshot
from tests.support.golden_rows import request_with
from tests.support.sample_report import things_snapshot

ROWS = 3000
WORDS = [
    "A",
    "friendly",
    "team",
    "and",
    "patient",
    "with",
    "the",
    "children",
    "We",
    "stayed",
    "until",
    "the",
    "evening",
    "nobody",
    "wanted",
    "to",
    "go",
]


def rows() -> list[dict[str, Any]]:
    """Return rows that resemble survey responses."""
    randomness = random.Random(20)  # noqa: S311 - the same rows in every run
    return [
        {
            "made_at": NOON + timedelta(seconds=37.1 * number),
            "words": " ".join(randomness.choices(WORDS, k=12)),
            "whole": randomness.randrange(11),
            "yes": randomness.random() < 0.6,
            "answers": {
                "q1": " ".join(randomness.choices(WORDS, k=4)),
                "q2": randomness.choices(["one", "two"], k=2),
            },
        }
        for number in range(ROWS)
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"csv": {"compression": "gzip"}},
        {"csv": {"compression": "zip"}},
        {"format": "xlsx"},
        {"format": "parquet"},
        {"format": "parquet", "parquet": {"compression": "none"}},
        {"format": "jsonl"},
        {"format": "jsonl", "jsonl": {"compression": "gzip"}},
        {"format": "jsonl", "jsonl": {"compression": "zstd"}},
    ],
    ids=str,
)
def test_the_estimate_is_close_to_the_size(fields: dict[str, Any]) -> None:
    columns = ["id", "madeAt", "words", "whole", "yes", "answers"]
    keys = ["id", "madeAt", "words", "whole", "yes", "answers.q1", "answers.q2"]
    request = request_with(columns=columns, **fields)
    with things_snapshot(rows()) as snap:
        text = len(file_from_snapshot(snap, request_with(columns=columns)))
        size = len(file_from_snapshot(snap, request))
    estimate = request.format.estimated_bytes(
        request.options, TextSize(ROWS, text, sum(len(f'"{key}":') for key in keys))
    )
    assert 0.5 < estimate / size < 2
