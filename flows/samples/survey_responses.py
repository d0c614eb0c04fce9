"""Sample report that lists the responses to a survey, with one column per question."""

from sqlalchemy import JSON, Boolean, Column, DateTime, Integer, MetaData, String, Table, Text, select
from sqlalchemy.dialects.postgresql import JSONB

from flows.reports import Choices, Filter, Heading, Questions, Report, Scope

OBJECT_ID = r"[0-9a-f]{24}"

metadata = MetaData()

surveys = Table(
    "surveys",
    metadata,
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
survey_questions = Table(
    "survey_questions",
    metadata,
    Column("survey_id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("key", String, primary_key=True),
    Column("label", Text, nullable=False),
    Column("kind", String, nullable=False),
)
survey_choices = Table(
    "survey_choices",
    metadata,
    Column("survey_id", String, primary_key=True),
    Column("question_key", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("code", String, primary_key=True),
    Column("label", Text, nullable=False),
)
responses = Table(
    "survey_responses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("survey_id", String, nullable=False),
    Column("submitted_at", DateTime(timezone=True), nullable=False),
    Column("is_attended", Boolean, nullable=False),
    Column("utm", String),
    Column("respondent_name", Text),
    Column("respondent_email", Text),
    Column("country", String, nullable=False),
    Column("score", Integer),
    Column("comment", Text),
    Column("answers", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
)

REPORT = Report(
    name="survey-responses",
    title="Survey responses",
    select=select(
        responses.c.id,
        responses.c.submitted_at,
        responses.c.is_attended,
        responses.c.utm,
        responses.c.respondent_name,
        responses.c.respondent_email,
        responses.c.country,
        responses.c.score,
        responses.c.comment,
    ),
    key=responses.c.id,
    sort="submittedAt",
    scope={
        "surveyId": Scope(
            responses.c.survey_id,
            pattern=OBJECT_ID,
            known=surveys.c.id,
            label="Survey",
            title=surveys.c.title,
            claim="surveyId",
        )
    },
    period=responses.c.submitted_at,
    filters={
        "isAttended": Filter(responses.c.is_attended, label="Attended"),
        "utm": Filter(responses.c.utm, label="UTM source"),
    },
    headings={
        "id": Heading(label="Response"),
        "isAttended": Heading(label="Attended"),
        "utm": Heading(label="UTM source"),
        "respondentName": Heading(label="Name", pii=True),
        "respondentEmail": Heading(label="E-mail", pii=True),
    },
    questions=Questions(
        answers=responses.c.answers,
        select=select(
            survey_questions.c.key,
            survey_questions.c.label,
            (survey_questions.c.kind == "multiple-choice").label("multiple"),
        ).order_by(survey_questions.c.position),
        scope={"surveyId": survey_questions.c.survey_id},
        choices=Choices(
            select=select(
                survey_choices.c.question_key, survey_choices.c.code, survey_choices.c.label
            ).order_by(survey_choices.c.question_key, survey_choices.c.position),
            scope={"surveyId": survey_choices.c.survey_id},
            stored="labels",
        ),
    ),
)
