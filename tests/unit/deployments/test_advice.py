"""Test the advice about a missing index, a missing API key and the values of a filter."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
from sqlalchemy import Column, Connection, MetaData, Table, Text, create_engine

from deployments.command_line.api_client import Problem, connect
from deployments.project.report_findings import _no_index
from deployments.project.report_source import _listed

FLIGHTS = Table("Flight Log", MetaData(), Column("Flight No", Text, key="flight_no"), Column("seats", Text))
EXAMPLE = 'Create one, for example: CREATE INDEX ON "Flight Log" ("Flight No")'


class OtherServer(BaseHTTPRequestHandler):
    """Web server that does not have our API, and rejects requests without credentials."""

    def do_GET(self) -> None:
        self._respond(401 if "Authorization" not in self.headers else 404)

    def _respond(self, status: int) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), OtherServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with create_engine("sqlite://").connect() as opened:
        yield opened


def test_the_example_of_an_index_quotes_names(connection: Connection) -> None:
    assert _no_index(connection, "period", FLIGHTS.c.flight_no).text == f"No index for the period. {EXAMPLE}"


def test_the_example_of_an_index_names_the_table_of_an_alias(connection: Connection) -> None:
    column = FLIGHTS.alias("flights").c.flight_no
    assert _no_index(connection, "period", column).text == f"No index for the period. {EXAMPLE}"


def test_an_index_for_an_expression_has_no_example(connection: Connection) -> None:
    text = _no_index(connection, "sort", FLIGHTS.c.flight_no + FLIGHTS.c.seats).text
    assert text.startswith("No index for the sort, which is an expression. Create an index on the expression")


def test_a_request_without_a_key_names_the_variable(url: str) -> None:
    with connect(httpx.URL(url), None, 1, print) as client, pytest.raises(Problem) as problem:
        client.request("GET", "/exports")
    assert problem.value.detail == "The service requires an API key. Set REPORTS_API_KEY to your key."


def test_a_long_list_of_values_ends_with_an_ellipsis() -> None:
    assert _listed(["JFK", "EWR", "LGA"]) == "JFK, EWR, LGA"
    assert _listed([f"N{number}" for number in range(1000, 1020)]) == (
        "N1000, N1001, N1002, N1003, N1004, N1005, …"
    )


def test_a_value_with_a_line_break_stays_in_the_comment() -> None:
    assert _listed(["one\rtwo", "three\n"]) == "one two, three"
