"""Define the objects that all routes share. They are built once, when the application starts."""

from dataclasses import dataclass

from api.access.authentication import Authentication
from api.access.catalog import Catalog
from api.access.rate_limits import Limits
from api.exports.job_gauges import JobCounts
from api.exports.poll_watcher import PollWatcher
from api.exports.run_reader import RunReader
from api.exports.run_writer import RunWriter
from api.exports.signed_links import SignedLinks
from api.exports.stored_files import StoredFiles
from api.prefect_server import JobServer
from api.readiness import ReadinessChecks
from api.schedules.store import ScheduleStore
from api.settings import ApiSettings
from api.tables.readers import Readers
from api.tables.report_monitor import ReportMonitor
from api.tables.source import Source
from api.web.metrics import Metrics
from flows.storage.protocol import Storage


@dataclass(frozen=True)
class Context:
    settings: ApiSettings
    catalog: Catalog
    source: Source
    readers: Readers
    storage: Storage
    links: SignedLinks
    files: StoredFiles
    authentication: Authentication
    server: JobServer
    limits: Limits
    run_reader: RunReader
    run_writer: RunWriter
    schedules: ScheduleStore
    watcher: PollWatcher
    metrics: Metrics
    job_counts: JobCounts
    readiness: ReadinessChecks
    reports: ReportMonitor
