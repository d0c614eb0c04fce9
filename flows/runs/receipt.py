"""Store a run's progress and the receipt of its file in the metadata of the progress artifact."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Receipt:
    """The receipt of a stored file.

    `attempt` and `name` determine the storage key of the file (see storage.protocol.object_key).
    """

    attempt: int
    name: str
    rows: int
    bytes: int
    sha256: str
    snapshot_at: str


@dataclass(frozen=True)
class RunProgress:
    """Progress of a run.

    `expected` is the exact number of rows, or None while the rows are being counted. `heartbeat_at` is the
    time at which the artifact was last written. It is set only if the progress was read from Prefect.
    """

    percent: int = 0
    written: int = 0
    expected: int | None = None
    snapshot_at: str | None = None
    receipt: Receipt | None = None
    heartbeat_at: datetime | None = field(default=None, compare=False)

    @property
    def rows_text(self) -> str:
        return "counting rows" if self.expected is None else f"{self.written:,} of {self.expected:,} rows"

    def as_metadata(self) -> dict[str, str]:
        """Return the fields as strings, as artifact metadata requires.

        Prefect truncates each string at 500 characters.
        """
        fields = {**asdict(self), "receipt": None, "heartbeat_at": None}
        receipt = asdict(self.receipt) if self.receipt is not None else {}
        metadata = {**fields, **{f"file_{name}": value for name, value in receipt.items()}}
        return {name: str(value) for name, value in metadata.items() if value is not None}


def parse_metadata(metadata: Mapping[str, str] | None) -> RunProgress | None:
    """Parse the metadata of an artifact, or return None if it is not a progress artifact of this service."""
    if metadata is None or "percent" not in metadata:
        return None
    expected = metadata.get("expected")
    return RunProgress(
        percent=int(metadata["percent"]),
        written=int(metadata["written"]),
        expected=int(expected) if expected is not None else None,
        snapshot_at=metadata.get("snapshot_at"),
        receipt=_receipt(metadata) if "file_sha256" in metadata else None,
    )


def _receipt(metadata: Mapping[str, str]) -> Receipt:
    return Receipt(
        attempt=int(metadata["file_attempt"]),
        name=metadata["file_name"],
        rows=int(metadata["file_rows"]),
        bytes=int(metadata["file_bytes"]),
        sha256=metadata["file_sha256"],
        snapshot_at=metadata["file_snapshot_at"],
    )


def percent_written(written: int, expected: int) -> int:
    """Return the percentage of rows written, at most 99.

    The progress reaches 100 only when the file has been stored and verified.
    """
    return 99 if expected == 0 else min(99, 99 * written // expected)
