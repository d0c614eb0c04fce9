"""Build the columns that contain the answers to each question."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from flows.query.questions.keys import QUESTION_SEPARATOR, questions_key
from flows.query.questions.options import AnswerOptions
from flows.query.report import Choices, Report
from flows.rows.columns import OutputColumn, Question

CHOICE_SEPARATOR = "/"
# Answers that are not declared choices have a separate column. Its key ends with this character.
OTHER = "*"


def question_columns(
    report: Report, questions: Iterable[Question], options: AnswerOptions
) -> Mapping[str, Sequence[OutputColumn]]:
    """Map the key of each question, such as `answers.channel`, to its columns.

    Requests use these keys to select the columns.
    """
    declared, group = report.questions, questions_key(report)
    if declared is None:
        return {}
    columns = {}
    for question in questions:
        key = f"{group}{QUESTION_SEPARATOR}{question.key}"
        column = OutputColumn(key, question.label, "string", declared.pii, declared.answers, question)
        columns[key] = [*_columns(column, question, declared.choices, options)]
    return columns


def _columns(
    column: OutputColumn, question: Question, choices: Choices | None, options: AnswerOptions
) -> Iterator[OutputColumn]:
    if choices is None or not question.choices:
        yield column
        return
    in_columns = question.multiple and options.multiple != "joined"
    if not in_columns or options.multiple == "both":
        yield replace(column, question=replace(question, texts=choices.texts(question, options.values)))
    if in_columns:
        yield from _choice_columns(column, question, choices)
    if in_columns and options.multiple == "columns":
        yield _other_answers(column, question, choices)


def _choice_columns(column: OutputColumn, question: Question, choices: Choices) -> Iterator[OutputColumn]:
    for choice in question.choices:
        yield replace(
            column,
            key=f"{column.key}{CHOICE_SEPARATOR}{choice.code}",
            label=f"{column.label}: {choice.label}",
            type="integer",
            question=replace(question, choices=(choice,), selected=choices.stored_text(choice)),
        )


def _other_answers(column: OutputColumn, question: Question, choices: Choices) -> OutputColumn:
    omitted = frozenset(map(choices.stored_text, question.choices))
    return replace(
        column,
        key=f"{column.key}{CHOICE_SEPARATOR}{OTHER}",
        label=f"{column.label}: other",
        question=replace(question, omitted=omitted),
    )
