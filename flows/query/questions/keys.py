"""Parse the keys of question columns.

`answers` selects all questions, and `answers.<question>` selects one of them.
"""

from flows.query.report import Report, camel_case

QUESTION_SEPARATOR = "."


def questions_key(report: Report) -> str | None:
    """Return the key that selects all question columns, such as `answers`.

    Return None if the report has no questions.
    """
    return camel_case(str(report.questions.answers.key)) if report.questions is not None else None


def names_question(key: str, report: Report) -> bool:
    """Return whether `key` is `answers` or `answers.<question>`.

    This does not check whether the question exists, because only the database knows the questions.
    """
    group = questions_key(report)
    return group is not None and (key == group or key.startswith(group + QUESTION_SEPARATOR))
