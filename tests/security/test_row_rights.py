"""Test that no combination of claims, route and report returns a row that the claims do not allow.

The tests read from the stack's database with the same functions as the API and the flow.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.pool import NullPool

from api.access.caller import Caller
from api.access.catalog import Catalog
from api.settings import ApiSettings
from api.tables.source import Source
from flows.access.withdrawal import readable_reports
from flows.errors import InvalidRequest, RightsGone
from flows.query.report import Report, Scope
from flows.query.request import parse_request
from flows.query.row_rights import Claims, Rights
from flows.samples import orders as order_tables
from flows.samples import survey_responses as survey_tables
from flows.sources.snapshot import open_engine
from tests.support import csv_reader
from tests.support.engines import file_by_copy, file_by_copy_chunks, file_by_sqlalchemy
from tests.support.export_client import EMPTY_SURVEY, ONE_ROW_SURVEY, SURVEY
from tests.support.running_stack import Stack
from tests.support.security_table import Tally

orders, customers = order_tables.orders, order_tables.customers
responses = survey_tables.responses
DAYS = {"from": "2024-07-19", "to": "2024-07-20"}
SURVEYS = replace(survey_tables.REPORT, name="surveys", is_default=False)
BY_COUNTRY = replace(
    order_tables.REPORT,
    name="by-country",
    claims={"country": customers.c.country, "currency": orders.c.currency},
    session_claims={"app.countries": "country"},
)
BY_SCOPE = replace(
    order_tables.REPORT,
    name="by-scope",
    scope={
        "country": Scope(
            customers.c.country, "[A-Z]{2}", known=customers.c.country, title=customers.c.country
        )
    },
    filters={},
    claims={"currency": orders.c.currency},
)
GROUPED = Report(
    name="grouped",
    title="Grouped",
    select=select(orders.c.status, orders.c.currency, func.count(orders.c.id).label("orders"))
    .join_from(orders, customers)
    .group_by(orders.c.status, orders.c.currency, orders.c.status + orders.c.currency),
    key=orders.c.status + orders.c.currency,
    period=orders.c.placed_at,
    claims={"country": customers.c.country},
)
REPORTS = {report.name: report for report in (SURVEYS, BY_COUNTRY, BY_SCOPE, GROUPED)}
VALUES = {
    "surveyId": (SURVEY, ONE_ROW_SURVEY, EMPTY_SURVEY, "nothing", "*"),
    "country": ("DE", "FR", "US", "nothing", "*"),
    "currency": ("EUR", "USD", "JPY", "*"),
}
SCOPES = {"surveys": ("surveyId", (SURVEY, ONE_ROW_SURVEY)), "by-scope": ("country", ("DE", "FR", "XX"))}
CLAIMS = st.fixed_dictionaries(
    {}, optional={name: st.frozensets(st.sampled_from(values), max_size=2) for name, values in VALUES.items()}
)
# For each report, the columns that identify a row and the claims that restrict the rows.
IDENTITY: Mapping[str, tuple[str, ...]] = {
    "surveys": ("id",),
    "by-country": ("number",),
    "by-scope": ("number",),
    "grouped": ("status", "currency", "orders"),
}
RESTRICTED = {
    "surveys": ("surveyId",),
    "by-country": ("country", "currency"),
    "by-scope": ("currency",),
    "grouped": ("country",),
}
Rows = Counter[tuple[str, ...]]


@dataclass(frozen=True)
class Example:
    report: Report
    body: dict[str, Any]
    claims: Claims


@st.composite
def examples(draw: st.DrawFn) -> Example:
    report = draw(st.sampled_from(list(REPORTS.values())))
    body: dict[str, Any] = {"report": report.name, **DAYS}
    if report.name in SCOPES:
        name, values = SCOPES[report.name]
        body[name] = draw(st.sampled_from(values))
    return Example(report, body, draw(CLAIMS))


@dataclass(frozen=True)
class Service:
    """The parts of the API and the worker that read rows. If `restricts` is false, they ignore the claims."""

    engine: Engine
    source: Source
    catalog: Catalog
    restricts: bool = True

    def api_reports(self, claims: Claims) -> Mapping[str, Report]:
        return self.catalog.permitted(Caller("ada", claims=claims if self.restricts else None))

    def flow_reports(self, example: Example) -> Mapping[str, Report]:
        rights = Rights(example.claims if self.restricts else None)
        return readable_reports(REPORTS, example.body, rights, "ada", None)


@pytest.fixture(scope="module")
def service(stack: Stack) -> Iterator[Service]:
    engine = open_engine(stack.database_url, 5, poolclass=NullPool)
    source = Source(
        ApiSettings.model_validate({"database_url": stack.database_url, "storage_url": "s3://b"}), _now
    )
    yield Service(engine, source, Catalog.of(REPORTS))
    source.close()
    engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC)


def table(service: Service, example: Example) -> Rows:
    request = parse_request(example.body, service.api_reports(example.claims))
    page = asyncio.run(service.source.page(request, 10_000, 1, None))
    assert page.total == len(page.rows)
    return _identified(example, page.rows)


def table_by_cursor(service: Service, example: Example) -> Rows:
    request = parse_request(example.body, service.api_reports(example.claims))
    page = asyncio.run(service.source.page(request, 100, 1, None))
    rows = page.rows
    while page.next_cursor is not None:
        page = asyncio.run(service.source.page(request, 100, 1, page.next_cursor))
        rows += page.rows
    return _identified(example, rows)


def file_by(read: Callable[[Engine, Any], bytes]) -> Callable[[Service, Example], Rows]:
    def read_file(service: Service, example: Example) -> Rows:
        columns = list(IDENTITY[example.report.name])
        request = parse_request({**example.body, "columns": columns}, service.flow_reports(example))
        header, rows = csv_reader.read(read(service.engine, request))
        assert len(header) == len(columns)
        return Counter(tuple(row) for row in rows)

    read_file.__name__ = read.__name__
    return read_file


ROUTES: list[Callable[[Service, Example], Rows]] = [
    table,
    table_by_cursor,
    file_by(file_by_copy),
    file_by(file_by_copy_chunks),
    file_by(file_by_sqlalchemy),
]


def _identified(example: Example, rows: list[dict[str, Any]]) -> Rows:
    return Counter(tuple(str(row[key]) for key in IDENTITY[example.report.name]) for row in rows)


def _allowed_rows(engine: Engine, example: Example) -> Rows:
    """Use a separate query to select the rows that the claims allow."""
    name = example.report.name
    start, end = datetime(2024, 7, 19, tzinfo=UTC), datetime(2024, 7, 21, tzinfo=UTC)
    if name == "surveys":
        query = select(responses.c.id, responses.c.survey_id.label("surveyId"))
        at = responses.c.submitted_at
    else:
        columns = (orders.c.number, orders.c.status, customers.c.country, orders.c.currency)
        query, at = select(*columns).join_from(orders, customers), orders.c.placed_at
    with engine.connect() as connection:
        result = connection.execute(query.where(at >= start, at < end)).mappings()
        rows = [{key: str(value) for key, value in row.items()} for row in result]
    allowed = [row for row in rows if _is_allowed(row, example)]
    if name != "grouped":
        return Counter(tuple(row[key] for key in IDENTITY[name]) for row in allowed)
    groups = Counter((row["status"], row["currency"]) for row in allowed)
    return Counter((*group, str(count)) for group, count in groups.items())


def _is_allowed(row: Mapping[str, str], example: Example) -> bool:
    name = example.report.name
    is_requested = name not in SCOPES or row[SCOPES[name][0]] == example.body[SCOPES[name][0]]
    values = {claim: example.claims.get(claim, frozenset()) for claim in RESTRICTED[name]}
    return is_requested and all({row[claim], "*"} & allowed for claim, allowed in values.items())


def _is_hidden(example: Example) -> bool:
    """Return whether the report has a claim for which the caller has no value."""
    return any(not example.claims.get(name) for name in example.report.claim_names)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(example=examples(), route=st.sampled_from(ROUTES))
def test_no_route_returns_a_foreign_row(
    service: Service, example: Example, route: Callable[[Service, Example], Rows], tally: Tally
) -> None:
    tally.add(1)
    allowed = _allowed_rows(service.engine, example)
    try:
        rows = route(service, example)
    except (InvalidRequest, RightsGone):
        assert not allowed, "rows that the claims allow are refused"
        return
    assert not _is_hidden(example)
    assert rows == allowed


def test_without_the_restriction_the_routes_return_foreign_rows(service: Service) -> None:
    unrestricted = replace(service, restricts=False)
    claims: Claims = {"surveyId": frozenset({ONE_ROW_SURVEY}), "country": frozenset({"FR"})}
    claims = {**claims, "currency": frozenset({"JPY"})}
    for report in REPORTS.values():
        scope, values = SCOPES.get(report.name, ("", ("",)))
        body = {"report": report.name, **DAYS, **({scope: values[0]} if scope else {})}
        example = Example(report, body, claims)
        for route in ROUTES:
            foreign = route(unrestricted, example) - _allowed_rows(service.engine, example)
            assert foreign, (report.name, route.__name__)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(claims=CLAIMS, name=st.sampled_from(list(SCOPES)))
def test_choices_are_values_that_the_claims_allow(
    service: Service, claims: Claims, name: str, tally: Tally
) -> None:
    tally.add(1)
    reports = service.api_reports(claims)
    if name not in reports:
        assert any(not claims.get(claim) for claim in REPORTS[name].claim_names)
        return
    scope, _ = SCOPES[name]
    pairs = asyncio.run(service.source.choices(reports[name], reports[name].scope[scope], "", 1000))
    values = {value for value, _ in pairs}
    if name == "surveys":
        allowed = claims["surveyId"]
        assert values <= allowed or "*" in allowed
        assert values >= allowed & {SURVEY, ONE_ROW_SURVEY, EMPTY_SURVEY}
        return
    with service.engine.connect() as connection:
        query = select(customers.c.country, orders.c.currency).join_from(orders, customers).distinct()
        pairs_in_rows = connection.execute(query).all()
    currencies = claims["currency"]
    assert values == {c for c, currency in pairs_in_rows if {currency, "*"} & currencies}
