"""Format the messages that `report-exports up` prints before and after startup."""

import ipaddress
import json
from collections.abc import Iterator
from urllib.parse import urlencode

from api.routes.examples import ARTICLE
from deployments.stack.environment import ui_url
from deployments.stack.plan import Plan, local_address
from deployments.stack.ports import API_PORT, PREFECT_PORT


def greeting(plan: Plan) -> str:
    lines = [f"Report Exports (data directory: {plan.options.data_dir})"]
    lines += _access(plan)
    lines += _database_server(plan)
    for name, requested, default, port in (
        ("API", plan.options.port, API_PORT, plan.api_port),
        ("Prefect server", plan.options.prefect_port, PREFECT_PORT, plan.prefect_port),
    ):
        if requested is None and port not in (default, None):
            lines.append(f"Port {default} is in use, so the {name} uses port {port}.")
    return "\n".join(lines)


def _database_server(plan: Plan) -> Iterator[str]:
    """Yield a line that explains why PostgreSQL is started. Yield nothing if it is not started."""
    users = [
        user
        for user, is_embedded in (
            ("the sample data (set REPORTS_DATABASE_URL to use your own database)", plan.embeds_database),
            ("Prefect (set PREFECT_API_URL to use your own server)", plan.prefect_port is not None),
        )
        if is_embedded
    ]
    if users:
        yield f"PostgreSQL is started for {' and '.join(users)}."


def _access(plan: Plan) -> Iterator[str]:
    if not plan.options.authenticated:
        yield "No authentication: everyone on this machine is the caller `local`."
        return
    yield f"Authentication: every caller needs an API key or a token. The API listens on {plan.options.host}."
    if ipaddress.ip_address(plan.options.host).is_loopback:
        return
    public_url = plan.environment["REPORTS_PUBLIC_URL"]
    if public_url == plan.connections.api_url and plan.options.host != local_address(plan.options.host):
        yield f"Links point to {public_url}. Set REPORTS_PUBLIC_URL to the address that other machines use."
    if plan.storage:
        yield "Links to files in the embedded storage work only on this machine. Set REPORTS_STORAGE_URL."


def banner(plan: Plan) -> str:
    api = plan.connections.api_url
    lines = [
        "",
        "Ready.",
        f"  Page         {api}/{sample_query() if plan.embeds_database else ''}",
        *_public(plan),
        f"  API docs     {api}/docs",
        f"  Prefect UI   {ui_url(plan.connections.prefect_api_url)}",
    ]
    if plan.prefect_login:
        lines.append(f"               Log in with the contents of {plan.prefect_login}")
    if plan.embeds_database:
        lines += ["", "Try it:", *_example(api)]
    return "\n".join([*lines, "", "Press Ctrl-C to stop. All data is kept."])


def _public(plan: Plan) -> Iterator[str]:
    public_url = plan.environment["REPORTS_PUBLIC_URL"]
    if public_url != plan.connections.api_url:
        yield f"  Public URL   {public_url}"


def _example(api: str) -> list[str]:
    return [
        f"  curl -s -X POST {api}/reports/csv -H 'content-type: application/json' \\",
        f"    -d '{json.dumps(ARTICLE, separators=(',', ':'))}'",
    ]


def sample_query() -> str:
    """Return a query string for the page. It selects the sample survey and a week that has responses."""
    return "?" + urlencode({name: ARTICLE[name] for name in ("surveyId", "from", "to")})
