"""Exceptions raised by exports and webhooks, grouped by how to handle them.

    InvalidRequest           the caller must change the request; nothing was started
    DeclarationError         the author must fix the report, which is disabled until then
    Superseded               another attempt has taken over this run
    NoRows                   the export has no rows, and the schedule skips empty exports
    ExportError              the run ended without a file; `code` is stable, `message` is for users
    ├── RetryableError       the same request may succeed later
    │   ├── SourceUnavailable
    │   ├── SourceConflict
    │   ├── StorageUnavailable
    │   ├── StorageTimeout
    │   ├── StorageCorrupted
    │   ├── RightsUnknown
    │   └── Incomplete
    └── FinalError           the same request will fail again
        ├── SourceTimeout
        ├── SourceCancelled
        ├── ReportInvalid
        ├── KeyInvalid
        ├── StorageDenied
        ├── StorageFull
        ├── StorageRejected
        ├── RowsLimit
        ├── RightsGone
        ├── ColumnsLimit
        ├── UnreadableRow
        ├── TransformFailed
        ├── WorkerLost
        └── Internal
    DeliveryError            a webhook was not delivered; it is retried if `retryable` is true
    ├── ReceiverUnreachable, ReceiverSilent, ReceiverRefused, SecretMissing, DeliveryLost
    └── ReceiverGone, AddressForbidden

Messages never contain driver errors, host names, SQL or credentials. These appear only in the log.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """An error in a request.

    `pointer` is an RFC 6901 JSON pointer, or `?name` for a query parameter.
    """

    pointer: str
    code: str
    detail: str


def escape_pointer(name: str) -> str:
    """Escape the key of a JSON object for use in a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def sentence(error: ValueError | str) -> str:
    """Capitalize a parser's message and add a period.

    If the first word is a name such as splitRows, it is not capitalized.
    """
    text = str(error)
    first = text.partition(" ")[0]
    return f"{text[:1].upper()}{text[1:]}." if first.islower() else f"{text}."


class InvalidRequest(ValueError):
    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{e.pointer}: {e.detail}" for e in errors))
        self.errors = errors

    @classmethod
    def at(cls, pointer: str, code: str, detail: str) -> "InvalidRequest":
        return cls([FieldError(pointer, code, detail)])


class DeclarationError(Exception):
    """A report's declaration is invalid. The message names the file and the column."""


class Superseded(Exception):
    """Another attempt has taken over this run, so this attempt must stop without publishing a file."""


class NoRows(Exception):
    """The run succeeded but created no file, because there were no rows."""

    code: ClassVar[str] = "rows.none"
    earlier_state_name: ClassVar[str] = "NoRows"

    def __init__(self) -> None:
        super().__init__("There were no rows, so no file was created.")


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


class SourceConflict(RetryableError):
    code = "source.conflict"
    message = "The database is a replica and ended the query, because newer data arrived."


class StorageUnavailable(RetryableError):
    code = "storage.unavailable"
    message = "The file storage could not be reached."


class StorageTimeout(RetryableError):
    code = "storage.timeout"
    message = "The file storage stopped responding."


class StorageCorrupted(RetryableError):
    code = "storage.corrupted"
    message = "The file was damaged on its way to the file storage, so it was discarded."


class RightsUnknown(RetryableError):
    code = "rights.unknown"
    message = "The API keys could not be read, so access to the rows could not be checked."


class Incomplete(RetryableError):
    code = "source.incomplete"
    message = "The database returned a different number of rows than it had counted, so no file was stored."


class FinalError(ExportError):
    retryable = False


class SourceTimeout(FinalError):
    code = "source.timeout"
    message = "The query took longer than the time limit. Narrow the filters or dates."


class SourceCancelled(FinalError):
    code = "source.cancelled"
    message = "The report's query was cancelled by the database."


class ReportInvalid(FinalError):
    code = "report.invalid"
    message = "The report does not match the tables of the database."

    @classmethod
    def naming(cls, missing: str) -> "ReportInvalid":
        return cls(f"The report uses {missing}, which the database does not have.")


class KeyInvalid(FinalError):
    code = "report.key"
    message = "The key of the report does not identify its rows."

    @classmethod
    def null(cls, column: str) -> "KeyInvalid":
        return cls(f"The report's key {column} is null in a row. Declare a key that is never null.")

    @classmethod
    def repeated(cls, column: str, value: object) -> "KeyInvalid":
        return cls(
            f"The report's key {column} is not unique: several rows have the value {value}."
            " Declare a key that is different in every row."
        )


class StorageDenied(FinalError):
    code = "storage.denied"
    message = "The file storage denied access."


class StorageFull(FinalError):
    code = "storage.full"
    message = "The file storage is full."


class StorageRejected(FinalError):
    code = "storage.rejected"
    message = "The file storage rejected the request."

    @classmethod
    def with_code(cls, code: str) -> "StorageRejected":
        """Return an error whose message contains the storage's error code, such as `InvalidPart`."""
        return cls(f"The file storage rejected the request: {code}.")


class RowsLimit(FinalError):
    code = "rows.limit"
    message = "The export would contain more rows than the limit. Narrow the filters or dates."


class RightsGone(FinalError):
    code = "rights.gone"
    message = "Access to these rows has been revoked."


class ColumnsLimit(FinalError):
    code = "columns.limit"
    message = "The export would contain more columns than the format allows. Choose fewer columns."


class UnreadableRow(FinalError):
    code = "source.unreadable"
    message = "A row contains a value that cannot be written to the file."

    @classmethod
    def at(cls, column_key: str, row_key: object, reason: str = "") -> "UnreadableRow":
        place = f"Column {column_key} of the row with key {row_key}"
        if reason:
            return cls(f"{place} cannot be written to the file: {reason}.")
        return cls(f"{place} contains a value that cannot be written to the file.")


class UnwritableValue(ValueError):
    """A value cannot be written in the chosen format. The message gives the reason and is shown to users."""


class TransformFailed(FinalError):
    code = "transform.failed"
    message = "The report's transform function failed."


class WorkerLost(FinalError):
    code = "worker.lost"
    message = "The worker crashed on every attempt."


class Internal(FinalError):
    code = "internal"
    message = "The export failed."  # The API adds the job's id.


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
    message = "The receiver could not be reached, or its certificate is not valid for its host name."


class ReceiverSilent(DeliveryError):
    code = "webhook.timeout"
    message = "The receiver did not answer in time."


class ReceiverRefused(DeliveryError):
    code = "webhook.refused"
    message = "The receiver did not accept the webhook."


class SecretMissing(DeliveryError):
    code = "webhook.secret"
    message = "The worker does not have the secret that the URL was encrypted with."


class DeliveryLost(DeliveryError):
    code = "webhook.lost"
    message = "The worker crashed on every attempt."


class ReceiverGone(DeliveryError):
    code = "webhook.gone"
    message = "The receiver answered 410 Gone, so the webhook will not be sent again."
    retryable = False


class AddressForbidden(DeliveryError):
    code = "webhook.forbidden"
    message = "The host in the URL does not resolve to a public address."
    retryable = False
