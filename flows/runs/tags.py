"""What the tags of runs and deployments say. Pure."""

from collections.abc import Iterable

LOCAL_CALLER = "local"
OWNER, REPORT, SCHEDULE = "owner:", "report:", "schedule:"
# Marks an ended run that flows/schedules/after_run.py still has to handle; it removes the tag.
FOLLOW_UP = "follow-up"
# A run that delivers a webhook.
WEBHOOK = "webhook"


def tagged(tags: Iterable[str], prefix: str) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def owner_in(tags: Iterable[str]) -> str:
    """What has no owner was started by an operator in Prefect, and is the local caller's."""
    return tagged(tags, OWNER) or LOCAL_CALLER
