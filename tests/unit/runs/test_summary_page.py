import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import literal

from flows.formats.csv.options import PRESETS, parse_options
from flows.query.request import parse_request
from flows.query.statement import output_columns
from flows.reports import catalog
from flows.rows.columns import OutputColumn
from flows.run_pages import export_urls
from flows.runs import summary_page
from tests.support.golden import golden
from tests.support.prefect_job import RECEIPT

REQUEST = parse_request(
    {
        "surveyId": "668b6fa3b8d693cd865b44bb",
        "from": "2024-7-19",
        "to": "2024-7-26",
        "name": "```<script>",
        "columns": ["id", "respondentName", "utm", "comment"],
    },
    catalog(("flows.samples",)),
)
RECORDS = b"""1,Ada Lovelace,wa,"two
lines | a pipe, <b>bold</b> and *stars*"
2,,,
3,Bob,"",%s
4,Cy,a,b
5,Di,a,b
6,Eve,a,b
""" % (b"x" * 100)


def test_the_summary_has_request_receipt_and_masked_first_rows() -> None:
    columns = output_columns(REQUEST, [])
    rows = summary_page.first_rows(RECORDS, columns, REQUEST.options)
    urls = export_urls("http://127.0.0.1:8000", "1", "survey-responses", ["schedule:2"], has_file=True)
    page = summary_page.markdown(REQUEST, RECEIPT, rows, columns, urls)
    assert (page + "\n").encode() == golden("run_page.md")


def test_an_export_without_rows_has_a_summary() -> None:
    rows = summary_page.first_rows(b"", output_columns(REQUEST, []), REQUEST.options)
    assert rows == [["Response", "Name", "UTM source", "Comment"]]
    page = summary_page.markdown(REQUEST, RECEIPT, rows, [], {"Download": ""})
    assert "| Response | Name | UTM source | Comment |" in page


@given(keys=st.lists(st.text(), max_size=3), label=st.text(), cell=st.text())
def test_the_columns_are_read_from_the_page(keys: list[str], label: str, cell: str) -> None:
    columns = [OutputColumn(key, label, "string", False, literal("")) for key in keys]
    block = "\n\n## Columns\n\n```json\n[]\n```"
    page = summary_page.markdown(REQUEST, RECEIPT, [[cell], [cell + block]], columns, {"Download": ""})
    assert summary_page.parse_columns(page) == [
        {"key": key, "label": label, "type": "string"} for key in keys
    ]


@pytest.mark.parametrize(
    ("docs_url", "help_text"),
    [
        ("", "`docs/operations.md#sourceunavailable`"),
        (
            "https://git.example.com/exports/docs",
            "[docs/operations.md#sourceunavailable]"
            "(https://git.example.com/exports/docs/operations.md#sourceunavailable)",
        ),
    ],
)
def test_the_page_of_a_failed_run_names_its_section_of_the_documentation(
    docs_url: str, help_text: str
) -> None:
    urls = export_urls("https://example.com/app", "1", "orders", [])
    page = summary_page.failure_markdown("orders", "source.unavailable", "No <answer>.", urls, docs_url)
    assert page == (
        "# orders: source.unavailable\n\nNo &lt;answer&gt;.\n\n"
        f"What to do: {help_text}\n\n"
        "[Export](https://example.com/app/?report=orders&export=1)"
    )


def test_a_large_cell_is_truncated() -> None:
    columns = output_columns(REQUEST, [])
    _, (_, _, _, comment) = summary_page.first_rows(
        b"1,Ada,wa," + b"x" * 1_000_000 + b"\n", columns, PRESETS["plain"]
    )
    assert comment == "x" * 59 + "…"


def test_the_summary_parses_rows_in_their_dialect() -> None:
    columns, dialect = output_columns(REQUEST, []), parse_options({"preset": "rfc4180", "delimiter": ";"})
    rows = summary_page.first_rows(b'1;"Ada";wa;"a;b"\r\n2;;;c,d\r\n', columns, dialect)
    assert [row[-1] for row in rows[1:]] == ["a;b", "c,d"]
