"""Test that a schedule in prefect.yaml is checked against the reports before it is registered."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, select

from deployments import register
from deployments.deployment_list import EXPORT
from deployments.schedule_check import find_invalid_schedules
from flows.query.report import Filter, Report
from flows.reports import BrokenReport, LoadedReports

NOW = datetime(2024, 7, 19, 12, tzinfo=UTC)
orders = Table(
    "orders",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", DateTime),
    Column("city", Text),
)
REPORT = Report(
    name="orders",
    title="Orders",
    select=select(orders),
    key=orders.c.id,
    period=orders.c.at,
    filters={"city": Filter(orders.c.city)},
)
LOADED = LoadedReports({"orders": REPORT}, (BrokenReport("planes", "planes.py", "the table is missing"),))


def deployment(parameters: str, **changes: Any) -> dict[str, Any]:
    schedules = [{"cron": "0 9 * * MON"}]
    parsed = yaml.safe_load(parameters)
    return {"name": "weekly", "entrypoint": EXPORT, "parameters": parsed, "schedules": schedules, **changes}


WEEKLY = "{request: {report: orders}, recurring: {range: {kind: relative, preset: previous-week}}}"


@pytest.mark.parametrize(
    "schedule",
    [
        deployment(WEEKLY),
        deployment("{request: {report: orders}, recurring: {range: {kind: since-last}}}"),
        # YAML reads the dates as dates, not as strings.
        deployment("{request: {report: orders, from: 2024-07-01, to: 2024-07-07}}"),
        deployment(WEEKLY.replace("orders", "planes")),
        deployment(WEEKLY.replace("orders", "'{{ $SHOP }}'")),
        deployment("{}", schedules=[]),
        deployment("{report: other}", entrypoint="shop.flows.nightly"),
    ],
    ids=str,
)
def test_a_schedule_that_can_run_is_accepted(schedule: dict[str, Any]) -> None:
    assert list(find_invalid_schedules([schedule], LOADED, NOW)) == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (WEEKLY.replace("orders", "oders"), "/request/report: "),
        (WEEKLY.replace("orders", "orders, filters: {town: Oslo}"), "/request/filters/town: "),
        (WEEKLY.replace("orders", "orders, timeZone: Mars"), "/request/timeZone: "),
        (WEEKLY.replace("previous", "last"), "/recurring/range/preset: "),
        (WEEKLY.replace("range", "dates"), "/recurring/dates: Unknown field."),
        ("{request: {report: orders}}", "/request/from: "),
        ("{request: orders}", "/request: Must be an object."),
        ("[1]", "/request: Must be an object."),
        ("", "/request: Must be an object."),
    ],
)
def test_a_schedule_that_cannot_run_is_explained(parameters: str, message: str) -> None:
    (text,) = find_invalid_schedules([deployment(parameters)], LOADED, NOW)
    assert text.startswith(f"prefect.yaml: the runs of the schedule 'weekly' would fail. {message}")


def test_nothing_is_registered_if_a_schedule_cannot_run(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    schedule = deployment(WEEKLY.replace("orders", "oders"))
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [schedule]}))
    # The error is raised before the Prefect server is used.
    with pytest.raises(register.RegistrationFailed, match="/request/report"):
        register.apply(LOADED, 0, print)
