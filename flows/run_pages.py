"""Create the page that operators see for a run in the Prefect UI.

The page is created after the run has ended, so that it does not delay the file.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State

from flows.errors import NoRows
from flows.query.report import DEFAULT_REPORT
from flows.runs import artifacts, summary_page
from flows.runs.outcome import code_and_message
from flows.runs.tags import SCHEDULE, tag_value
from flows.settings import Settings


def leave_page(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Create the page of a completed run. Prefect calls this function as a hook."""
    if code_and_message(state.name or "", state.message or "")[0] == NoRows.code:
        leave_failure_page(flow, flow_run, state)
        return
    record: Any = state.data
    with get_client(sync_client=True) as client:
        artifacts.create_page(client, flow_run.id, record.result, state.timestamp)


def leave_failure_page(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Create the page of a run that ended without a file.

    Prefect calls this function as a hook for failed runs.
    """
    settings = Settings()
    code, message = code_and_message(state.name or "", state.message or "")
    request: Any = flow_run.parameters.get("request")
    report = str((request if isinstance(request, dict) else {}).get("report") or DEFAULT_REPORT)
    urls = export_urls(settings.public_url, str(flow_run.id), report, flow_run.tags)
    page = summary_page.failure_markdown(report, code or "internal", message, urls, settings.docs_url)
    with get_client(sync_client=True) as client:
        artifacts.create_page(client, flow_run.id, page, state.timestamp)


def export_urls(
    public_url: str, run_id: str, report: str, tags: Iterable[str], has_file: bool = False
) -> dict[str, str]:
    """Return the URLs for an export, keyed by titles such as `Download`."""
    export, schedule = f"{public_url}/exports/{run_id}", tag_value(tags, SCHEDULE)
    urls = {"Export": f"{public_url}/?{urlencode({'report': report, 'export': run_id})}"}
    if has_file:
        urls |= {"Download": f"{export}/download", "Receipt": f"{export}/manifest"}
    return urls | ({"Schedule": f"{public_url}/schedules/{schedule}"} if schedule is not None else {})
