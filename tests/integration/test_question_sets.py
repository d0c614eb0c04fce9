"""Test exports of surveys with 0 to 2,000 questions. Each question becomes one column."""

import csv
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import JSON, Boolean, Column, Integer, MetaData, Table, Text, and_, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.pool import NullPool

from flows.export import Block, Export, Opening, Stream, fetch, transform_to_csv
from flows.query.report import Questions, Report, Scope
from flows.query.request import parse_request
from flows.settings import Settings
from flows.sources.snapshot import open_engine

# These sizes include 1,664, which is PostgreSQL's limit on the number of columns in a SELECT.
SIZES = (0, 1, 300, 1500, 1664, 2000)

metadata = MetaData()
questions = Table(
    "questions_asked",
    metadata,
    Column("size", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("multiple", Boolean, nullable=False),
)
replies = Table(
    "questions_answered",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("size", Text, nullable=False),
    Column("answers", JSON().with_variant(JSONB(), "postgresql")),
)
REPORT = Report(
    name="replies",
    title="Replies",
    select=select(replies.c.id),
    key=replies.c.id,
    scope={"size": Scope(replies.c.size, pattern="[0-9]+", known=questions.c.size)},
    questions=Questions(
        answers=replies.c.answers,
        select=select(questions.c.key, questions.c.label, questions.c.multiple).order_by(
            questions.c.position
        ),
        scope={"size": questions.c.size},
    ),
)


first_question = questions.alias()
JOINED = replace(
    REPORT,
    select=REPORT.select.outerjoin(
        first_question, and_(first_question.c.size == replies.c.size, first_question.c.position == 1)
    ),
)


def key(position: int) -> str:
    return f'q{position} "quoted"' if position % 50 == 0 else f"q{position}"


def label(position: int) -> str:
    """Return the label of a question. Each label is shared by two questions."""
    return f'Question {position // 2}: "why", or why not?\nSay it'


def is_multiple(position: int) -> bool:
    return position % 3 == 0


def answers(size: int) -> list[Any]:
    """Return the answers from several responses to a survey with `size` questions."""
    positions = range(1, size + 1)
    varied = itertools.cycle(
        [None, True, 17, 2.50, "", 'a "b",\nc', ["x", None, "y; z"], [], {"b": 1, "a": [2]}]
    )
    return [
        {key(p): f"answer {p}, of some length" * (p % 4) for p in positions},
        {key(p): next(varied) for p in positions},
        {key(p): ["one", "two"] for p in positions if is_multiple(p)},
        {key(p): None for p in positions},
        {"unknown question": "this", "q0": [1]},
        {},
        None,
    ]


def text(answer: Any, multiple: bool) -> str:
    if multiple and isinstance(answer, list):
        return "; ".join(choice for choice in answer if choice is not None)
    if answer is None or isinstance(answer, str):
        return answer or ""
    return '{"a": [2], "b": 1}' if isinstance(answer, dict) else json.dumps(answer)


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'replies.db'}"
    else:
        url = request.getfixturevalue("scratch_url")
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
    metadata.create_all(engine)
    ids = itertools.count(1)
    with engine.begin() as connection:
        for size in SIZES:
            for position in range(1, size + 1):
                fields = {"key": key(position), "label": label(position), "multiple": is_multiple(position)}
                connection.execute(insert(questions), {"size": str(size), "position": position, **fields})
            rows = [{"id": next(ids), "size": str(size), "answers": reply} for reply in answers(size)]
            connection.execute(insert(replies), rows)
    yield url
    metadata.drop_all(engine)


def export(
    database_url: str, request: dict[str, Any], folder: Path, report: Report = REPORT
) -> tuple[Opening, bytes]:
    settings = Settings(database_url=database_url, storage_url=f"file://{folder}")  # type: ignore[arg-type]
    parsed = parse_request({"report": "replies", **request}, {"replies": report})
    spec = Export(UUID(int=1), 1, parsed, settings)
    opening, *blocks = transform_to_csv.fn(Stream(fetch.fn(spec)), spec)
    assert isinstance(opening, Opening)
    return opening, b"".join(block.data for block in blocks if isinstance(block, Block))


@pytest.mark.parametrize("size", SIZES)
def test_every_question_is_one_column(database_url: str, tmp_path: Path, size: int) -> None:
    opening, content = export(database_url, {"size": str(size), "sort": "id"}, tmp_path)
    assert [column.label for column in opening.columns] == ["Id", *map(label, range(1, size + 1))]
    _, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    assert [row[1:] for row in rows] == [
        [text((reply or {}).get(key(p)), is_multiple(p)) for p in range(1, size + 1)]
        for reply in answers(size)
    ]


def test_selected_questions_keep_the_requested_order(database_url: str, tmp_path: Path) -> None:
    request = {"size": "2000", "sort": "id", "columns": ["answers.q1999", "id", "answers.q2"]}
    _, content = export(database_url, request, tmp_path)
    _, first, *_ = csv.reader(io.StringIO(content.decode(), newline=""))
    assert (first[0], first[2]) == tuple(answers(2000)[0][key(p)] for p in (1999, 2))


@pytest.mark.parametrize("size", [1, 300])
def test_a_report_with_a_join_has_the_same_answers(database_url: str, tmp_path: Path, size: int) -> None:
    request = {"size": str(size), "sort": "id"}
    _, joined = export(database_url, request, tmp_path, JOINED)
    assert joined == export(database_url, request, tmp_path)[1]
