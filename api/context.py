"""What every route works with."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from api.access.authentication import Authentication
from api.access.caller import Caller
from api.access.rate_limits import Admission
from api.exports.job_gauges import JobCounts
from api.exports.poll_watcher import Watcher
from api.exports.run_reader import RunReader
from api.exports.run_writer import Runs
from api.exports.signed_links import Links
from api.prefect_server import JobServer
from api.schedules.store import Schedules
from api.settings import ApiSettings
from api.tables.source import Source
from api.web.metrics import Metrics
from flows import logs
from flows.query.report import Report
from flows.storage.protocol import Storage


@dataclass(frozen=True)
class Context:
    settings: ApiSettings
    reports: Mapping[str, Report]
    source: Source
    storage: Storage
    links: Links
    authentication: Authentication
    server: JobServer
    admission: Admission
    reader: RunReader
    runs: Runs
    schedules: Schedules
    watcher: Watcher
    metrics: Metrics
    job_counts: JobCounts


def context_of(request: Request) -> Context:
    context = request.app.state.context
    assert isinstance(context, Context)  # noqa: S101 - set before the first request is served
    return context


def caller_of(request: Request) -> Caller:
    """Who asks; Problem 401."""
    caller = context_of(request).authentication.caller(request.headers.getlist("authorization"))
    logs.bind(caller=caller.name)
    return caller
