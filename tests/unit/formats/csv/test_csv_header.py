from zoneinfo import ZoneInfo

import pytest

from flows.formats.csv.header import header
from flows.formats.csv.options import parse_options
from flows.query.statement import output_columns
from flows.rows.columns import Question
from tests.support.sample_report import things_request

BERLIN = ZoneInfo("Europe/Berlin")
QUESTIONS = [Question("q1", "=Which; when?", multiple=False)]


@pytest.mark.parametrize(
    ("csv", "line"),
    [
        ("plain", "Id,Made at,Day,=Which; when?\n"),
        ("rfc4180", "Id,Made at,Day,=Which; when?\r\n"),
        ("excel", "Id,Made at (Europe/Berlin),Day,'=Which; when?\r\n"),
        ({"delimiter": ";"}, 'Id;Made at;Day;"=Which; when?"\n'),
        ({"dateTimes": "local"}, "Id,Made at (Europe/Berlin),Day,=Which; when?\n"),
        ({"formulaGuard": True}, "Id,Made at,Day,'=Which; when?\n"),
        ({"header": "keys", "dateTimes": "local"}, "id,madeAt,day,answers.q1\n"),
        ({"preset": "excel", "header": "none"}, ""),
    ],
)
def test_the_header_follows_the_options(csv: object, line: str) -> None:
    columns = output_columns(things_request(columns=["id", "madeAt", "day", "answers.q1"]), QUESTIONS)
    assert header(columns, BERLIN, parse_options(csv)).decode() == line
