"""Sample schedules, created through the API or in Prefect."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.export_client import EMPTY_SURVEY

WEEKLY: dict[str, Any] = {
    "name": "Weekly attendees",
    "recurrence": {"cron": "0 9 * * MON", "timeZone": "Europe/Madrid"},
    "range": {"kind": "relative", "preset": "previous-week"},
    "export": {"surveyId": EMPTY_SURVEY, "filters": {"isAttended": True}},
}


def deployment_of(prefect: httpx.Client, schedule_id: str) -> dict[str, Any]:
    """Return the Prefect deployment that stores a schedule."""
    query = {"deployments": {"tags": {"all_": [f"schedule:{schedule_id}"]}}}
    (deployment,) = prefect.post("/deployments/filter", json=query).raise_for_status().json()
    return dict(deployment)


@contextmanager
def schedule_from_prefect_yaml(prefect: httpx.Client) -> Iterator[tuple[str, str]]:
    """Create a schedule like those that `prefect deploy` creates from prefect.yaml.

    Yield its id and name.
    """
    shipped = prefect.get("/deployments/name/export-report/export").json()
    name = f"from-yaml-{secrets.token_hex(4)}"
    body = {
        **{key: shipped[key] for key in ("flow_id", "entrypoint", "path")},
        "name": name,
        "work_pool_name": shipped["work_pool_name"],
        "parameters": {
            "request": WEEKLY["export"],
            "recurring": {"range": WEEKLY["range"], "timeZone": "Europe/Madrid"},
        },
        "schedules": [{"schedule": {"cron": "0 9 * * MON", "timezone": "Europe/Madrid"}, "slug": "weekly"}],
    }
    deployment_id = str(prefect.post("/deployments/", json=body).raise_for_status().json()["id"])
    try:
        yield deployment_id, name
    finally:
        prefect.delete(f"/deployments/{deployment_id}")
