"""Every way an export can go wrong, sorted by what to do next.

    InvalidRequest           the caller's to mend: nothing was started
    DeclarationError         the report author's to mend: nothing starts
    Superseded               this attempt was given up for dead, and another one has taken over
    NoRows                   there is nothing to export, and then no file was wanted
    ExportError              a run ended without a file; `code` is stable, the message is for people
    ├── RetryableError           the same request may succeed in a moment
    │   ├── SourceUnavailable
    │   ├── StorageUnavailable
    │   └── Incomplete
    └── FinalError                the same request will fail again
        ├── SourceTimeout
        ├── SourceCancelled
        ├── StorageDenied
        ├── RowsLimit
        ├── UnreadableRow
        ├── TransformFailed
        ├── WorkerLost
        └── Internal
    DeliveryError            a webhook has not arrived; `retryable` says whether it is sent again
    ├── ReceiverUnreachable, ReceiverSilent, ReceiverRefused, SecretMissing, DeliveryLost
    └── ReceiverGone, AddressForbidden

No message here ever holds a driver's text, a host name, SQL or a credential: the log has those.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One mistake in a request; `pointer` is an RFC 6901 JSON pointer into it, or `?name` for a query."""

    pointer: str
    code: str
    detail: str


def escape_pointer(name: str) -> str:
    """A key as one step of a pointer."""
    return name.replace("~", "~0").replace("/", "~1")


class InvalidRequest(ValueError):
    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{e.pointer}: {e.detail}" for e in errors))
        self.errors = errors

    @classmethod
    def at(cls, pointer: str, code: str, detail: str) -> "InvalidRequest":
        return cls([FieldError(pointer, code, detail)])


class DeclarationError(Exception):
    """A report's file declares something that cannot work; the message names file and column."""


class Superseded(Exception):
    """Whatever this attempt does from now on is in nobody's name."""


class NoRows(Exception):
    """The run has done what was asked; the words are for its state."""

    state_name: ClassVar[str] = "NoRows"

    def __init__(self) -> None:
        super().__init__("There were no rows, so no file was made.")


class ExportError(Exception):
    code: ClassVar[str]
    message: ClassVar[str]
    retryable: ClassVar[bool]

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class RetryableError(ExportError):
    retryable = True


class SourceUnavailable(RetryableError):
    code = "source.unavailable"
    message = "The database that holds the report could not be reached."


class StorageUnavailable(RetryableError):
    code = "storage.unavailable"
    message = "The file storage could not be reached."


class Incomplete(RetryableError):
    code = "source.incomplete"
    message = "The database sent a different number of rows than it had counted, so no file was published."


class FinalError(ExportError):
    retryable = False


class SourceTimeout(FinalError):
    code = "source.timeout"
    message = "The database took longer than this report may take."


class SourceCancelled(FinalError):
    code = "source.cancelled"
    message = "The report's query was cancelled in the database."


class StorageDenied(FinalError):
    code = "storage.denied"
    message = "The file storage refused the file."


class RowsLimit(FinalError):
    code = "rows.limit"
    message = "It would have more rows than one export may have."


class UnreadableRow(FinalError):
    code = "source.unreadable"
    message = "A row of the report holds a value that cannot be written."

    @classmethod
    def at(cls, column_key: str, row_key: object) -> "UnreadableRow":
        return cls(
            f"Column {column_key} of the row whose key is {row_key} holds a value that cannot be written."
        )


class TransformFailed(FinalError):
    code = "transform.failed"
    message = "The report's transform failed."


class WorkerLost(FinalError):
    code = "worker.lost"
    message = "The worker that made the file was lost again and again."


class Internal(FinalError):
    code = "internal"
    message = "The export failed."  # the API adds: quote the job's id


def errors_by_code() -> dict[str, type[ExportError]]:
    families = (RetryableError, FinalError)
    return {kind.code: kind for family in families for kind in family.__subclasses__()}


class DeliveryError(Exception):
    code: ClassVar[str]
    message: ClassVar[str]
    retryable: ClassVar[bool] = True

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class ReceiverUnreachable(DeliveryError):
    code = "webhook.unreachable"
    message = "The receiver could not be reached, or its certificate is not valid for its name."


class ReceiverSilent(DeliveryError):
    code = "webhook.timeout"
    message = "The receiver did not answer in time."


class ReceiverRefused(DeliveryError):
    code = "webhook.refused"
    message = "The receiver did not accept it."


class SecretMissing(DeliveryError):
    code = "webhook.secret"
    message = "The worker does not have the secret that the address was sealed with."


class DeliveryLost(DeliveryError):
    code = "webhook.lost"
    message = "The worker that sent it was lost again and again."


class ReceiverGone(DeliveryError):
    code = "webhook.gone"
    message = "The receiver wants no more of these."
    retryable = False


class AddressForbidden(DeliveryError):
    code = "webhook.forbidden"
    message = "The address may not be sent to: it is not, or no longer, a public one."
    retryable = False
