"""Show database administrators which job, report and caller a query belongs to.

On PostgreSQL, the application name shows them, even between two queries. On PostgreSQL, MariaDB and MySQL,
each query starts with a comment.
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

APPLICATION = "report-exports"
MAX_NAME_BYTES = 63  # PostgreSQL truncates longer names
_COMMENTED = ("postgresql", "mysql", "mariadb")
# The name of a caller could end the comment, or contain a placeholder of the driver.
_UNSAFE = re.compile(r"[^A-Za-z0-9.@:+_-]")


@dataclass(frozen=True)
class Origin:
    """The report, job and caller of a query. A page of the table has no job."""

    report: str = ""
    job: str = ""
    caller: str = ""

    @property
    def application_name(self) -> str:
        """The job, report and caller, as far as they fit. The job comes first because it is unique."""
        parts = filter(None, (self.job, self.report, self.caller))
        return " ".join([APPLICATION, *map(_safe, parts)])[:MAX_NAME_BYTES]

    @property
    def comment(self) -> str:
        fields = {"job": self.job, "report": self.report, "caller": self.caller}
        pairs = [f"{name}={_safe(value)}" for name, value in fields.items() if value]
        return f"/* {' '.join([APPLICATION, *pairs])} */ "

    def mark(self, connection: Connection) -> None:
        """Add the comment to all further queries of the connection."""
        if connection.dialect.name in _COMMENTED:
            event.listen(connection, "before_cursor_execute", self._with_comment, retval=True)

    def _with_comment(
        self, _connection: Connection, _cursor: Any, sql: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        return self.comment + sql, parameters


UNKNOWN = Origin()


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text)
