"""Tags of runs and deployments in Prefect. Stored tags must keep their spelling."""

from collections.abc import Iterable

LOCAL_CALLER = "local"
OWNER, REPORT, SCHEDULE = "owner:", "report:", "schedule:"
# Marks a run that flows/schedules/after_run.py still has to process when it ends; it then removes the tag.
FOLLOW_UP = "follow-up"
# A run that delivers a webhook.
WEBHOOK = "webhook"
# A run whose file was removed after its retention; a run that its owner has deleted.
EXPIRED_TAG, DELETED_TAG = "expired", "forgotten"


def tag_value(tags: Iterable[str], prefix: str) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def owner_from_tags(tags: Iterable[str]) -> str:
    """Return the owner. A run without one was started by an operator in Prefect: the local caller owns it."""
    return tag_value(tags, OWNER) or LOCAL_CALLER
