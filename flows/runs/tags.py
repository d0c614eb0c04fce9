"""Tags of runs and deployments in Prefect. They are stored there, so they must not be renamed."""

from collections.abc import Iterable

LOCAL_CALLER = "local"
OWNER, REPORT, SCHEDULE = "owner:", "report:", "schedule:"
# Marks a run that must be followed up by after_run.py. The follow-up removes the tag.
FOLLOW_UP = "follow-up"
# Marks a run that delivers a webhook.
WEBHOOK = "webhook"
# Mark a run whose file was removed after the retention period, and a run that its owner has deleted.
EXPIRED_TAG, DELETED_TAG = "expired", "forgotten"
# A deleted run is renamed, because Prefect has an index of names but none of tags.
DELETED_NAME = "forgotten-"
# Precedes the time until which a sweep has removed expired files.
SWEPT = "swept:"


def tag_value(tags: Iterable[str], prefix: str) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def owner_from_tags(tags: Iterable[str]) -> str:
    """Return the owner.

    A run without an owner was started by an operator in Prefect and belongs to the local caller.
    """
    return tag_value(tags, OWNER) or LOCAL_CALLER
