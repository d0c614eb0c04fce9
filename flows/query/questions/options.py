"""Parse the options of answers, the value of `answers` in a request."""

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
    """Options of the columns with answers.

    `multiple` is the form of answers with several choices. If `values` is None, choices are written as they
    are stored.
    """

    multiple: str = "joined"
    values: str | None = None


def parse_answer_options(value: object) -> AnswerOptions:
    """Parse an object of options. Raises InvalidOptions, which lists every invalid option."""
    return AnswerOptions(**parse_choices(value, CHOICES))
