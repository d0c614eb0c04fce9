import pytest

from flows.sources.origin import MAX_NAME_BYTES, Origin

JOB = "899e1228-d5e2-4c8c-b8a4-ec8ed9fd0ba5"


def test_the_comment_and_the_application_name_show_job_report_and_caller() -> None:
    origin = Origin("orders", JOB, "ada")
    assert origin.comment == f"/* report-exports job={JOB} report=orders caller=ada */ "
    assert origin.application_name == f"report-exports {JOB} orders ada"[:MAX_NAME_BYTES]


def test_a_page_of_the_table_has_no_job() -> None:
    origin = Origin("orders", caller="ada@example.com")
    assert origin.comment == "/* report-exports report=orders caller=ada@example.com */ "
    assert origin.application_name == "report-exports orders ada@example.com"


@pytest.mark.parametrize("caller", ["*/ DROP TABLE orders; /*", "50%s", "%(name)s", ":name", "a'b\"c", "\\"])
def test_no_caller_name_ends_the_comment_or_contains_a_placeholder(caller: str) -> None:
    comment = Origin("orders", JOB, caller).comment
    assert comment.count("*/") == 1
    assert not set("%'\"\\;") & set(comment)


def test_a_long_name_fits_into_postgresqls_limit() -> None:
    name = Origin("orders", JOB, "a" * 200).application_name
    assert len(name) == MAX_NAME_BYTES
    assert JOB in name
