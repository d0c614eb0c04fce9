"""Check the parameters of the schedules in the user's prefect.yaml before they are registered."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python

from deployments.deployment_list import EXPORT, USERS, Deployment
from flows.errors import InvalidRequest
from flows.query.request import parse_stored_request
from flows.reports import LoadedReports
from flows.schedules.parameters import parse_schedule_parameters, request_for_run
from flows.schedules.recurrence import MIN_INTERVAL

_TEMPLATE = "{{"  # Prefect fills in templates such as `{{ $SHOP }}` when it registers the deployment.


def find_invalid_schedules(
    deployments: Sequence[Deployment], loaded: LoadedReports, now: datetime
) -> Iterator[str]:
    """Yield a sentence for each schedule whose runs would fail because of its parameters.

    Schedules of broken reports and schedules with templates are not checked.
    """
    for deployment in deployments:
        parameters = to_jsonable_python(deployment.get("parameters") or {})
        if not _is_schedule(deployment) or _TEMPLATE in str(parameters):
            continue
        try:
            _check(parameters, loaded, now)
        except InvalidRequest as error:
            yield f"{USERS}: the runs of the schedule {deployment['name']!r} would fail. {error}"


def _is_schedule(deployment: Deployment) -> bool:
    return deployment["entrypoint"] == EXPORT and bool(deployment.get("schedules"))


def _check(parameters: Any, loaded: LoadedReports, now: datetime) -> None:
    """Raise InvalidRequest, with pointers into the parameters, if a run at `now` would be rejected."""
    request = parameters.get("request") if isinstance(parameters, dict) else None
    if not isinstance(request, dict):
        raise InvalidRequest.at("/request", "type", "Must be an object.")
    recurring = parameters.get("recurring")
    schedule = parse_schedule_parameters(recurring) if recurring is not None else None
    try:
        if schedule is not None:
            # `since-last` needs an earlier run.
            request = request_for_run(request, schedule, now, now - MIN_INTERVAL)
        if request.get("report") not in {report.name for report in loaded.broken}:
            parse_stored_request(request, loaded.reports)
    except InvalidRequest as error:
        in_parameters = [replace(item, pointer=f"/request{item.pointer}") for item in error.errors]
        raise InvalidRequest(in_parameters) from None
