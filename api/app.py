"""The HTTP API: `uvicorn --factory api.app:create_app`."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi_offline import FastAPIOffline

from api.access.authentication import Authentication
from api.access.rate_limits import Admission, Rate
from api.context import Context
from api.exports.job_gauges import JobCounts
from api.exports.poll_watcher import Watcher
from api.exports.run_reader import RunReader
from api.exports.run_writer import Runs
from api.exports.signed_links import Links
from api.openapi.document import document
from api.prefect_server import JobServer
from api.routes import choices, exports, files, health, limits, page, reports, schedules, webhooks
from api.schedules.store import Schedules
from api.settings import ApiSettings
from api.tables.source import Source
from api.web import allow_header, problems
from api.web.metrics import Measured, Metrics
from api.web.request_log import RequestLog
from api.web.security_headers import SecurityHeaders
from flows import logs, tracing
from flows.errors import ExportError
from flows.query.report import Report
from flows.reports import catalog
from flows.storage.from_url import open_storage

DOCS_PATH = "/docs"
ROUTERS = [
    each.router for each in (exports, schedules, webhooks, reports, choices, limits, files, health, page)
]
TEXT_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"

logger = logging.getLogger(__name__)


def create_app() -> RequestLog:
    """Raises DeclarationError for a report that cannot work, before anything is served."""
    settings = ApiSettings()
    logs.configure(settings.log_format)
    logging.basicConfig(format=TEXT_LINE)  # where nobody else writes: else no line of ours below a warning is
    known = catalog(settings.catalog_modules)
    if not os.environ.get("PREFECT_API_URL"):
        raise RuntimeError("PREFECT_API_URL must name the Prefect server; without one, jobs would be lost")
    app: FastAPI = FastAPIOffline(
        title="Report Exports",
        lifespan=_lifespan,
        docs_url=DOCS_PATH,
        redoc_url=None,
    )
    if tracing.start("report-exports-api"):
        tracing.instrument_app(app)
    app.state.settings, app.state.metrics = settings, Metrics()
    app.add_middleware(Measured, metrics=app.state.metrics)
    problems.install(app)
    allow_header.install(app, ROUTERS)
    for router in ROUTERS:
        app.include_router(router)
    described = document(ROUTERS, known, settings.authenticates)
    app.openapi = lambda: described  # type: ignore[method-assign]
    app.mount("/page", GZipMiddleware(page.PageFiles(directory=page.FILES)), name="page")
    return RequestLog(SecurityHeaders(app, DOCS_PATH))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ApiSettings = app.state.settings
    metrics: Metrics = app.state.metrics
    source = Source(settings, _now)
    try:
        storage = open_storage(settings.storage_url, settings.public_url)
        links = Links(storage, settings.link_seconds, _now)
        async with JobServer(settings.deployment, settings.outage_seconds).connected() as server:
            found = catalog(settings.catalog_modules)
            await asyncio.to_thread(_probe, source, found)
            clock = asyncio.get_running_loop().time
            rate = Rate(settings.starts_per_second, settings.starts_burst)
            admission = Admission(settings.queued_per_caller, rate, clock)
            reader = RunReader(server, settings.attempts)
            runs = Runs(server, reader, admission, settings.attempts)
            recurring = Schedules(server, reader, admission, settings.deployment, settings.attempts)
            watcher = Watcher(reader, clock)
            app.state.context = Context(
                settings,
                found,
                source,
                storage,
                links,
                Authentication(settings),
                server,
                admission,
                reader,
                runs,
                recurring,
                watcher,
                metrics,
                JobCounts(reader, metrics.jobs, asyncio.get_running_loop().time),
            )
            metrics.watched.set_function(lambda: watcher.watched)
            async with watcher.watching():
                yield
    finally:
        source.close()


def _probe(source: Source, reports: Mapping[str, Report]) -> None:
    """A select that does not fit its tables stops the start; tables, or a database, that are away do not."""
    try:
        for name, report in reports.items():
            if missing := source.missing_tables(report):
                logger.warning("report %s cannot be read: the database has no %s", name, ", ".join(missing))
    except ExportError:
        logger.warning("the source database does not answer yet: reports are not checked against it")


def _now() -> datetime:
    return datetime.now(UTC)
