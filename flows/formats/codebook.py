"""Describe the columns of a file and the choices of its questions.

The codebook has one record per column. For a column with choices, it has one record per choice instead.
"""

from collections.abc import Iterator, Sequence

from flows.rows.columns import OutputColumn, Question

NAME = "Codebook"
HEADER = ("key", "label", "type", "code", "choice", "missing")
_NO_VALUE = "empty: no value"
_NO_ANSWER = "empty: not answered"
_SELECTED = "1: selected; 0: another answer; empty: not answered"

Record = tuple[str | None, ...]


def records(columns: Sequence[OutputColumn]) -> Iterator[Record]:
    """Yield the header of the codebook, followed by its records."""
    yield HEADER
    for column in columns:
        kind, missing = _kind(column), _missing(column)
        for code, label in _choices(column.question) or [(None, None)]:
            yield (column.key, column.label, kind, code, label, missing)


def _kind(column: OutputColumn) -> str:
    question = column.question
    if question is None or question.selected is not None:
        return column.type
    if question.multiple:
        return "multiple choice"
    return "single choice" if question.choices else column.type


def _missing(column: OutputColumn) -> str:
    if column.question is None:
        return _NO_VALUE
    return _NO_ANSWER if column.question.selected is None else _SELECTED


def _choices(question: Question | None) -> list[tuple[str | None, str | None]]:
    """Return the code and label of each choice that the column may contain."""
    if question is None or question.omitted:
        return []
    return [(choice.code, choice.label) for choice in question.choices]
