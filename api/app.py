"""Create the ASGI application of the HTTP API.

Mount it in another FastAPI or Starlette application. `api.server` creates it for a dedicated process.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from api import openapi
from api.access import limit_problem
from api.access.audit import AuditLog
from api.access.authentication import Authentication
from api.access.catalog import Catalog
from api.access.cors import allow_origins
from api.access.rate_limits import Limits
from api.access.recent_counts import RecentCounts
from api.context import Context
from api.exports.job_gauges import JobCounts
from api.exports.poll_watcher import PollWatcher
from api.exports.run_reader import RunReader
from api.exports.run_writer import RunWriter
from api.exports.signed_links import SignedLinks
from api.exports.stored_files import StoredFiles
from api.prefect_server import JobServer
from api.readiness import Check, ReadinessChecks, StorageCheck
from api.routes import article, exports, files, health, limits, page, schedules, tables, tokens, webhooks
from api.schedules.store import ScheduleStore
from api.settings import ApiSettings
from api.tables.readers import Readers
from api.tables.report_monitor import ReportMonitor
from api.tables.source import PAGE_READERS, PAGE_READERS_PER_CALLER, Source
from api.web import methods, problems
from api.web.allowed_hosts import AllowedHosts
from api.web.forwarded_prefix import ForwardedPrefix
from api.web.metrics import Measured, Metrics
from api.web.request_log import RequestLog
from api.web.security_headers import SecurityHeaders
from flows import logs, tracing
from flows.query.masking import unmarked_columns
from flows.query.report import Report
from flows.reports import LoadedReports, catalog, load_reports
from flows.storage.from_url import open_storage
from flows.storage.protocol import Storage

DOCS_PATH = "/docs"
# Routes are matched in this order. Polls are the most frequent requests, so their route comes first.
ROUTERS = [
    resource.router
    for resource in (article, exports, schedules, webhooks, tables, limits, tokens, files, health, page)
]
TEXT_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"

logger = logging.getLogger(__name__)


class Application(RequestLog):
    """The ASGI application that serves the API and the web page."""

    def __init__(self, app: ASGIApp, api: FastAPI) -> None:
        super().__init__(app)
        self._api = api

    @property
    def context(self) -> Context:
        """The objects that all routes share. They are available only while the API is running."""
        context: Context = self._api.state.context
        return context

    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Return a context manager that runs the API.

        A server that runs this application starts and stops the API automatically. An application that mounts
        this one must enter the context manager in its own lifespan.
        """
        return _lifespan(self._api)


def create_app() -> Application:
    """Build the application from environment variables.

    Raises DeclarationError if no report has the name in REPORTS_DEFAULT_REPORT. Broken reports are disabled.
    """
    settings = ApiSettings()
    logs.configure(settings.log_format)
    logging.basicConfig(format=TEXT_LINE)  # without a handler, Python drops messages below WARNING
    reports = catalog(settings.catalog_modules, settings.default_report)
    _warn_about_unmarked_columns(reports)
    if not os.environ.get("PREFECT_API_URL"):
        raise RuntimeError("PREFECT_API_URL is not set. Set it to the URL of the Prefect server.")
    app: FastAPI = FastAPIOffline(
        title="Report Exports", lifespan=_lifespan, docs_url=DOCS_PATH, redoc_url=None
    )
    if tracing.start("report-exports-api"):
        tracing.instrument_app(app)
    app.state.settings, app.state.metrics = settings, Metrics()
    for router in ROUTERS:
        app.include_router(router)
    openapi.install(app, reports, settings.authenticates)
    app.mount("/page", GZipMiddleware(page.PageFiles(directory=page.FILES)), name="page")
    problems.install(app)
    limit_problem.install(app)
    methods.install(app, ROUTERS)
    app.add_middleware(AuditLog)
    app.add_middleware(Measured, metrics=app.state.metrics)
    with_cors = allow_origins(app, settings.allowed_origins)
    known_hosts = AllowedHosts(with_cors, settings.answered_hosts)
    headers = SecurityHeaders(known_hosts, DOCS_PATH, settings.frame_ancestors)
    return Application(ForwardedPrefix(headers), app)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ApiSettings = app.state.settings
    source = Source(settings, _now)
    try:
        async with JobServer(settings.deployment, settings.outage_seconds).connected() as server:
            loaded = load_reports(settings.catalog_modules, settings.default_report)
            context = _context(settings, app.state.metrics, loaded, source, server)
            app.state.context = context
            context.metrics.watched.set_function(lambda: context.watcher.watched)
            async with context.reports.running(), context.watcher.watching():
                yield
    finally:
        source.close()


def _context(
    settings: ApiSettings, metrics: Metrics, loaded: LoadedReports, source: Source, server: JobServer
) -> Context:
    clock = asyncio.get_running_loop().time
    storage = open_storage(settings.storage_url, settings.public_url, settings.outage_seconds)
    limits = Limits.of(settings, clock)
    permitted = Catalog.of(loaded.reports)
    reader = RunReader(server, permitted, settings.attempts)
    queued = RecentCounts(lambda name: reader.queued(name, _now()), settings.queued_per_caller, clock)
    authentication = Authentication(settings, permitted.claim_names)
    files = StoredFiles(storage, _now, settings.outage_seconds)
    checks = _checks(settings, source, server, storage, files, reader, authentication)
    monitor = ReportMonitor(loaded, source, permitted)
    checks["reports"] = monitor.status
    return Context(
        settings=settings,
        catalog=permitted,
        source=source,
        readers=Readers(PAGE_READERS, PAGE_READERS_PER_CALLER),
        storage=storage,
        links=SignedLinks(storage, settings.link_seconds, _now, _public_storage(settings)),
        files=files,
        authentication=authentication,
        server=server,
        limits=limits,
        run_reader=reader,
        run_writer=RunWriter(server, reader, limits.starts, queued, settings.attempts),
        schedules=ScheduleStore(server, reader, permitted, limits, settings.attempts),
        watcher=PollWatcher(reader, clock),
        metrics=metrics,
        job_counts=JobCounts(reader, metrics.jobs, clock),
        readiness=ReadinessChecks(checks, settings.outage_seconds, clock),
        reports=monitor,
    )


def _public_storage(settings: ApiSettings) -> Storage | None:
    """Return a storage that signs links for the public address, or None if no such address is configured.

    Signing needs no connection, so the API does not have to reach this address.
    """
    if not settings.s3_public_url:
        return None
    return open_storage(
        settings.storage_url, settings.public_url, settings.outage_seconds, settings.s3_public_url
    )


def _checks(
    settings: ApiSettings,
    source: Source,
    server: JobServer,
    storage: Storage,
    files: StoredFiles,
    reader: RunReader,
    authentication: Authentication,
) -> dict[str, Check]:
    async def check_worker() -> None:
        if (pool := (await server.deployment()).work_pool_name) != settings.work_pool:
            raise LookupError(
                f"the deployment {settings.deployment} uses the work pool {pool!r}, but REPORTS_WORK_POOL is"
                f" {settings.work_pool!r}; set the same pool and run `report-exports register`"
            )
        if await reader.live_workers(settings.work_pool, _now()) == 0:
            raise LookupError("no worker is online")

    async def check_files() -> str | None:
        """Spot-check the storage by looking for the file of the most recently finished export."""
        job = await reader.latest_done()
        return "missing" if job is not None and (await files.check(job)).file_lost else None

    async def check_keys() -> str:
        return authentication.check_keys()

    return {
        "database": source.check,
        "prefect": server.check,
        "storage": StorageCheck(storage, asyncio.get_running_loop().time),
        "files": check_files,
        "worker": check_worker,
        "keys": check_keys,
    }


def _warn_about_unmarked_columns(reports: Mapping[str, Report]) -> None:
    for report in reports.values():
        for column, marked in unmarked_columns(report).items():
            logger.warning(
                "report %s: the column %s is computed from the same data as %s, but is not masked;"
                " mark it with pii=True, too, if it shows personal data",
                report.name,
                column,
                marked,
            )


def _now() -> datetime:
    return datetime.now(UTC)
