"""Define the tags of runs and deployments. Prefect stores them, so they must not be renamed."""

from collections.abc import Iterable

LOCAL_CALLER = "local"
# Prefix of the tag with the reason why a run has no file, such as `code:source.unavailable`.
CODE = "code:"
OWNER, REPORT, SCHEDULE = "owner:", "report:", "schedule:"
# Marks a run whose follow-up by after_run.py is still pending. The follow-up removes the tag.
FOLLOW_UP = "follow-up"
# Marks a run that delivers a webhook.
WEBHOOK = "webhook"
# EXPIRED_TAG marks a run whose file was removed after the retention period. DELETED_TAG marks a run that its
# owner has deleted.
EXPIRED_TAG, DELETED_TAG = "expired", "forgotten"
# Prefix for the name of a deleted run. Prefect has an index on names but not on tags.
DELETED_NAME = "forgotten-"
# Prefix of the tag that records the time up to which a sweep has removed expired files.
SWEPT = "swept:"


def tag_value(tags: Iterable[str], prefix: str) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def owner_from_tags(tags: Iterable[str]) -> str:
    """Return the owner of a run.

    A run without an owner tag was started by an operator in Prefect and belongs to the local caller.
    """
    return tag_value(tags, OWNER) or LOCAL_CALLER
