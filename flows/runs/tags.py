"""What the tags of runs and deployments say. Pure."""

from collections.abc import Iterable

LOCAL_CALLER = "local"
OWNER, REPORT, SCHEDULE = "owner:", "report:", "schedule:"
# Marks an ended run that flows/schedules/after_run.py still has to handle; it removes the tag.
FOLLOW_UP = "follow-up"
# A run that delivers a webhook.
WEBHOOK = "webhook"
# A run whose file was removed after its retention; a run that its owner has deleted.
EXPIRED_TAG, DELETED_TAG = "expired", "forgotten"


def tag_value(tags: Iterable[str], prefix: str) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def owner_from_tags(tags: Iterable[str]) -> str:
    """What has no owner was started by an operator in Prefect, and is the local caller's."""
    return tag_value(tags, OWNER) or LOCAL_CALLER
