"""Which stored objects nobody can want any more. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime

_KEY = re.compile(r"(?P<job>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})/(?P<attempt>\d{1,3})\.[a-z.]{1,10}")


@dataclass(frozen=True)
class StoredObject:
    """An object, or an upload that has not been finished; `key` as storage.object_key makes it."""

    key: str
    since: datetime
    upload_id: str = ""

    @property
    def job_id(self) -> str | None:
        """None for what is not ours."""
        found = _KEY.fullmatch(self.key)
        return found["job"] if found else None

    @property
    def attempt(self) -> int:
        found = _KEY.fullmatch(self.key)
        return int(found["attempt"]) if found else 0


@dataclass(frozen=True)
class OwnerRun:
    """A run as far as its objects go: `attempt` is the one whose file its receipt names."""

    ended: bool
    attempt: int | None


def is_orphan(stored: StoredObject, owner: OwnerRun | None, oldest: datetime) -> bool:
    """`oldest` is how far back files are kept; the runs of younger ones may just not be known here."""
    if stored.job_id is None:
        return False
    if owner is None:
        return stored.since < oldest
    return owner.ended and stored.attempt != owner.attempt
