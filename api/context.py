"""What every route works with."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from api.job_server import JobServer
from api.links import Links
from api.run_reader import RunReader
from api.runs import Runs
from api.schedules import Schedules
from api.settings import ApiSettings
from api.source import Source
from api.watcher import Watcher
from flows.report import Report
from flows.storage import Storage


@dataclass(frozen=True)
class Context:
    settings: ApiSettings
    reports: Mapping[str, Report]
    source: Source
    storage: Storage
    links: Links
    server: JobServer
    reader: RunReader
    runs: Runs
    schedules: Schedules
    watcher: Watcher


def context_of(request: Request) -> Context:
    context = request.app.state.context
    assert isinstance(context, Context)  # noqa: S101 - set before the first request is served
    return context
