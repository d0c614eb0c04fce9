"""Find stored objects that can be deleted because no run's receipt refers to them."""

import re
from dataclasses import dataclass
from datetime import datetime

_KEY = re.compile(r"(?P<job>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})/(?P<attempt>\d{1,3})\.[a-z.]{1,10}")


@dataclass(frozen=True)
class StoredObject:
    """A stored object or an unfinished upload.

    `key` is in the format of protocol.object_key(). `modified_at` is in UTC.
    """

    key: str
    modified_at: datetime
    upload_id: str = ""

    @property
    def job_id(self) -> str | None:
        """The id of the run, or None if the object was not written by this service."""
        match = _KEY.fullmatch(self.key)
        return match["job"] if match else None

    @property
    def attempt(self) -> int:
        match = _KEY.fullmatch(self.key)
        return int(match["attempt"]) if match else 0


@dataclass(frozen=True)
class OwnerRun:
    """The run to which an object belongs.

    `attempt` is the attempt number in the run's receipt, or None if the run has no file.
    """

    ended: bool
    attempt: int | None


def is_orphan(stored: StoredObject, owner: OwnerRun | None, oldest: datetime) -> bool:
    """Return whether the object can be deleted.

    `oldest` is the start of the retention period. An object whose run is unknown is kept if it is newer than
    that, because the run may be recorded on a different Prefect server.
    """
    if stored.job_id is None:
        return False
    if owner is None:
        return stored.modified_at < oldest
    return owner.ended and stored.attempt != owner.attempt
