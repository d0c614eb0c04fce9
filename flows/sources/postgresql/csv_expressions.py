"""Build SQL expressions that make PostgreSQL format each column in the same way as `cell_text` does.

Timestamps with a time zone are printed in the session's TimeZone.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    String,
    Text,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from flows.formats.csv.options import PRESETS, CsvOptions
from flows.formats.csv.text import (
    FORMULA_STARTS,
    GUARD,
    INNER_FORMULA,
    INNER_FORMULA_START,
    INNER_GUARD,
    PLAIN_NUMBER,
    TEXT_NUMBER,
)
from flows.query.comparison import printed
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn, Question
from flows.sources.exact_types import is_standard, text_of

_ISO = 'YYYY-MM-DD"T"HH24:MI:SS.US'
_LOCAL = "YYYY-MM-DD HH24:MI:SS"
# The last country whose UTC offset included seconds was Liberia. It changed its offset in January 1972.
_OFFSETS_IN_MINUTES = "1973"
# PostgreSQL allows at most 1,664 columns: https://www.postgresql.org/docs/current/limits.html
MAX_COLUMNS = 1600


def expressions(columns: Sequence[OutputColumn], options: CsvOptions) -> list[ColumnElement[Any]]:
    return [cell(column, options).label(f"c{number}") for number, column in enumerate(columns)]


def texts(request: ExportRequest, columns: Sequence[OutputColumn]) -> list[ColumnElement[Any]]:
    """Return an expression for the cell text of each column.

    Columns of custom types are left unchanged.
    """
    cells = [
        printed(cell(column, PRESETS["plain"])) if is_standard(column.expression.type) else column.expression
        for column in decode_answers_once(request, columns)
    ]
    return [text.label(f"c{number}") for number, text in enumerate(cells)]


def decode_answers_once(request: ExportRequest, columns: Sequence[OutputColumn]) -> list[OutputColumn]:
    """Decode the JSON of the answers once per row, in a lateral subquery.

    Otherwise, PostgreSQL would decode it once per question. With 300 questions, that takes 43 times as long.
    """
    questions = request.report.questions
    if questions is None or request.report.select._group_by_clauses:
        return list(columns)
    decoded = cast(questions.answers, JSONB).op("||", return_type=JSONB())(literal_column("'{}'::jsonb"))
    subquery = select(decoded.label("answers")).correlate(*questions.answers._from_objects).offset(0)
    answers = subquery.lateral("unpacked").c.answers
    return [column if column.question is None else replace(column, expression=answers) for column in columns]


def cell(column: OutputColumn, options: CsvOptions) -> ColumnElement[Any]:
    """Return an expression for the cell's text, or the column itself if COPY already prints it correctly."""
    expression = column.expression
    if column.question is not None:
        answer = _answer(expression, column.question)
        return _guarded(answer, options)
    if column.type == "boolean":
        return cast(expression, Text)
    if column.type == "json":
        return _json(expression)
    if column.type == "date-time":
        return _timestamp(expression, column.zoned, options)
    if column.type == "number" and options.decimal_mark != ".":
        return func.replace(cast(expression, Text), ".", options.decimal_mark, type_=Text)
    if column.type == "string" and options.guards_text:
        return _guarded(text_of(expression), options)
    return expression


def _json(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression for the document's stored text. A JSON null becomes an SQL null."""
    return func.nullif(cast(expression, Text), "null", type_=Text)


def _timestamp(expression: ColumnElement[Any], zoned: bool, options: CsvOptions) -> ColumnElement[Any]:
    """Format timestamps with to_char.

    Infinite timestamps and those outside the years 1 to 9999 are cast to text instead, because to_char does
    not preserve them.
    """
    cases: list[tuple[ColumnElement[bool], ColumnElement[str]]]
    if options.date_times == "local" or not zoned:
        pattern = _LOCAL if options.date_times == "local" else _ISO
        cases = [(_within(expression, "0001", "10000"), func.to_char(expression, pattern, type_=Text))]
    else:
        text = func.to_char(expression, _ISO + "TZH:TZM", type_=Text)
        cases = [
            (_within(expression, _OFFSETS_IN_MINUTES, "10000"), text),
            (_within(expression, "0001", _OFFSETS_IN_MINUTES), text + _offset_seconds(expression)),
        ]
    return case(*cases, else_=cast(expression, Text))


def _within(expression: ColumnElement[Any], first_year: str, next_year: str) -> ColumnElement[bool]:
    """Return a condition that matches values from `first_year` until the start of `next_year`.

    PostgreSQL parses the bounds as the expression's type. For a timestamp with a time zone, the years
    therefore begin in the session's time zone.
    """
    start: ColumnElement[Any] = literal_column(f"'{first_year}-01-01'")
    end: ColumnElement[Any] = literal_column(f"'{next_year}-01-01'")
    return and_(expression >= start, expression < end)


def _offset_seconds(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the seconds of the UTC offset, such as `:44` in `-00:14:44` (Madrid until 1901).

    to_char has no pattern for these seconds.
    """
    seconds = func.mod(func.abs(cast(extract("timezone", expression), Integer)), 60, type_=Integer)
    return case((seconds != 0, func.to_char(seconds, 'FM":"00', type_=Text)), else_="")


def _guarded(text: ColumnElement[Any], options: CsvOptions) -> ColumnElement[Any]:
    safe = _without_formulas(text) if options.formula_guard else text
    if options.text_numbers == "keep":
        return safe
    is_number = text.op("~", return_type=Boolean())(literal(f"^({TEXT_NUMBER})$", String))
    return case((is_number, func.concat(GUARD, text, type_=Text)), else_=safe)


def _without_formulas(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """Add the formula guard to values that a spreadsheet would interpret as a formula.

    The regular expression runs only on values whose first character is suspicious. This reduces the guard's
    overhead from 50% to 20% of the export time.
    """
    starts = func.ascii(text, type_=Integer).in_([literal(ord(start), Integer) for start in FORMULA_STARTS])
    is_number = text.op("~", return_type=Boolean())(literal(f"^{PLAIN_NUMBER}$", String))
    at_start = case((and_(starts, ~is_number), func.concat(GUARD, text, type_=Text)), else_=text)
    inner, guard = literal(INNER_FORMULA, String), literal(INNER_GUARD, String)
    replaced = func.regexp_replace(at_start, inner, guard, "g", type_=Text)
    return case(
        (text.op("~", return_type=Boolean())(literal(INNER_FORMULA_START, String)), replaced), else_=at_start
    )


def _answer(answers: ColumnElement[Any], question: Question) -> ColumnElement[Any]:
    key = literal(question.key, String)
    as_text = answers.op("->>", return_type=Text())(key)
    if not question.multiple:
        return _recoded(as_text, question)
    answer = cast(answers, JSONB).op("->", return_type=JSONB())(key)
    element = func.jsonb_array_elements_text(answer).column_valued("element")
    recoded = _recoded(element, question)
    joined = func.string_agg(recoded, "; ") if question.selected is None else func.max(recoded)
    subquery = select(joined).scalar_subquery()
    return case((func.jsonb_typeof(answer) == "array", subquery), else_=_recoded(as_text, question))


def _recoded(text: ColumnElement[Any], question: Question) -> ColumnElement[Any]:
    """Return an expression for the cell text of an answer or of one of its choices."""
    if question.selected is not None:
        return case((text == literal(question.selected, Text), "1"), (text.is_not(None), "0"))
    if question.omitted:
        omitted = [literal(choice, Text) for choice in sorted(question.omitted)]
        return case((text.not_in(omitted), text))
    if question.texts:
        texts = {stored: literal(written, Text) for stored, written in question.texts.items()}
        return case(texts, value=text, else_=text)
    return text
