"""Every way an export can go wrong, sorted by what to do next.

    InvalidRequest           the caller's to mend: nothing was started
    DeclarationError         the report author's to mend: nothing starts
    Superseded               this attempt was given up for dead, and another one has taken over
    NoRows                   there is nothing to export, and then no file was wanted
    ExportError              a run ended without a file; `code` is stable, the sentence is for people
    ├── WorthRetry           the same request may succeed in a moment
    │   ├── SourceUnavailable
    │   ├── StorageUnavailable
    │   └── Incomplete
    └── Final                the same request will fail again
        ├── SourceTimeout
        ├── SourceCancelled
        ├── StorageDenied
        ├── RowsLimit
        ├── UnreadableRow
        ├── TransformFailed
        ├── WorkerLost
        └── Internal
    DeliveryError            a webhook has not arrived; `worth_retry` says whether it is sent again
    ├── ReceiverUnreachable, ReceiverSilent, ReceiverRefused, SecretMissing, DeliveryLost
    └── ReceiverGone, AddressForbidden

No sentence here ever holds a driver's text, a host name, SQL or a credential: the log has those.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One mistake in a request; `pointer` is an RFC 6901 JSON pointer into it, or `?name` for a query."""

    pointer: str
    code: str
    detail: str


def escaped(name: str) -> str:
    """A key as one step of a pointer."""
    return name.replace("~", "~0").replace("/", "~1")


class InvalidRequest(ValueError):
    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{e.pointer}: {e.detail}" for e in errors))
        self.errors = errors


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
    sentence: ClassVar[str]
    worth_retry: ClassVar[bool]

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or self.sentence)


class WorthRetry(ExportError):
    worth_retry = True


class SourceUnavailable(WorthRetry):
    code = "source.unavailable"
    sentence = "The database that holds the report could not be reached."


class StorageUnavailable(WorthRetry):
    code = "storage.unavailable"
    sentence = "The file storage could not be reached."


class Incomplete(WorthRetry):
    code = "source.incomplete"
    sentence = "The database sent a different number of rows than it had counted, so no file was published."


class Final(ExportError):
    worth_retry = False


class SourceTimeout(Final):
    code = "source.timeout"
    sentence = "The database took longer than this report may take."


class SourceCancelled(Final):
    code = "source.cancelled"
    sentence = "The report's query was cancelled in the database."


class StorageDenied(Final):
    code = "storage.denied"
    sentence = "The file storage refused the file."


class RowsLimit(Final):
    code = "rows.limit"
    sentence = "It would have more rows than one export may have."


class UnreadableRow(Final):
    code = "source.unreadable"
    sentence = "A row of the report holds a value that cannot be written."

    @classmethod
    def at(cls, column_key: str, row_key: object) -> "UnreadableRow":
        return cls(
            f"Column {column_key} of the row whose key is {row_key} holds a value that cannot be written."
        )


class TransformFailed(Final):
    code = "transform.failed"
    sentence = "The report's transform failed."


class WorkerLost(Final):
    code = "worker.lost"
    sentence = "The worker that made the file was lost again and again."


class Internal(Final):
    code = "internal"
    sentence = "The export failed."  # the API adds: quote the job's id


def all_codes() -> dict[str, type[ExportError]]:
    families = (WorthRetry, Final)
    return {kind.code: kind for family in families for kind in family.__subclasses__()}


class DeliveryError(Exception):
    code: ClassVar[str]
    sentence: ClassVar[str]
    worth_retry: ClassVar[bool] = True

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or self.sentence)


class ReceiverUnreachable(DeliveryError):
    code = "webhook.unreachable"
    sentence = "The receiver could not be reached, or its certificate is not valid for its name."


class ReceiverSilent(DeliveryError):
    code = "webhook.timeout"
    sentence = "The receiver did not answer in time."


class ReceiverRefused(DeliveryError):
    code = "webhook.refused"
    sentence = "The receiver did not accept it."


class SecretMissing(DeliveryError):
    code = "webhook.secret"
    sentence = "The worker does not have the secret that the address was sealed with."


class DeliveryLost(DeliveryError):
    code = "webhook.lost"
    sentence = "The worker that sent it was lost again and again."


class ReceiverGone(DeliveryError):
    code = "webhook.gone"
    sentence = "The receiver wants no more of these."
    worth_retry = False


class AddressForbidden(DeliveryError):
    code = "webhook.forbidden"
    sentence = "The address may not be sent to: it is not, or no longer, a public one."
    worth_retry = False
