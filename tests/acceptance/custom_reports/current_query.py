"""A test report that shows its own query as database administrators see it."""

from sqlalchemy import Column, Integer, MetaData, String, Table, func, select

from flows.reports import Report

activity = Table(
    "pg_stat_activity",
    MetaData(),
    Column("pid", Integer, nullable=False),
    Column("application_name", String),
    Column("query", String),
)
start = func.left(activity.c.query, 120, type_=String)
REPORT = Report(
    name="current-query",
    title="Current query",
    select=select(activity.c.application_name, start.label("query")).where(
        activity.c.pid == func.pg_backend_pid()
    ),
    key=activity.c.pid,
)
