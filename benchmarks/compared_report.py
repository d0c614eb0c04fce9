"""The survey report over a subquery. Its key is not known to be unique, so all keys are compared."""

from dataclasses import replace

from flows.query.report import Report
from flows.samples import survey_responses
from flows.samples.survey_responses import responses


def _over_subquery() -> Report:
    rows = responses.select().subquery("responses")
    columns = {str(column.key): column for column in rows.c}
    declared = survey_responses.REPORT.questions
    assert declared is not None  # noqa: S101 - the sample report has questions
    return replace(
        survey_responses.REPORT,
        name="survey-responses-compared",
        select=rows.select().with_only_columns(
            *(columns[str(column.key)] for column in survey_responses.REPORT.select.exported_columns)
        ),
        key=columns["id"],
        period=columns["submitted_at"],
        scope={"surveyId": replace(survey_responses.REPORT.scope["surveyId"], column=columns["survey_id"])},
        filters={},
        questions=replace(declared, answers=columns["answers"]),
    )


REPORT = _over_subquery()
