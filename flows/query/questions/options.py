"""Parse the answer options in the `answers` field of a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.formats.options import choices_model, parse_choices

CHOICES: dict[str, Sequence[str]] = {
    "multiple": ("joined", "columns", "both"),
    "values": ("labels", "codes"),
}
AnswerOptionsModel: Any = choices_model("AnswerOptions", CHOICES)


@dataclass(frozen=True)
class AnswerOptions:
    """Options of the columns that contain answers.

    `multiple` determines how answers with several choices are written: joined in one column, in a column for
    each choice, or both. `values` selects labels or codes. If it is None, choices are written as they are
    stored.
    """

    multiple: str = "joined"
    values: str | None = None


def parse_answer_options(value: object) -> AnswerOptions:
    """Parse a JSON object that contains answer options.

    Raises InvalidOptions with a reason for every invalid option.
    """
    return AnswerOptions(**parse_choices(value, CHOICES))
