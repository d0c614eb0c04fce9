"""Show database administrators which job, report and caller a query belongs to.

On PostgreSQL, MariaDB and MySQL, this information is in a comment at the start of every query. On PostgreSQL,
it is also in the application name, which remains visible between queries.
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

APPLICATION = "report-exports"
MAX_NAME_BYTES = 63  # PostgreSQL truncates longer names
_COMMENTED = ("postgresql", "mysql", "mariadb")
# These characters are replaced. Otherwise, a caller's name could end the comment or contain a placeholder for
# query parameters.
_UNSAFE = re.compile(r"[^A-Za-z0-9.@:+_-]")


@dataclass(frozen=True)
class Origin:
    """The report, job and caller that a query belongs to.

    A query for a page of the table has no job.
    """

    report: str = ""
    job: str = ""
    caller: str = ""

    @property
    def application_name(self) -> str:
        """The application name for PostgreSQL. It may be truncated, so the job's id comes first."""
        parts = filter(None, (self.job, self.report, self.caller))
        return " ".join([APPLICATION, *map(_safe, parts)])[:MAX_NAME_BYTES]

    @property
    def comment(self) -> str:
        fields = {"job": self.job, "report": self.report, "caller": self.caller}
        pairs = [f"{name}={_safe(value)}" for name, value in fields.items() if value]
        return f"/* {' '.join([APPLICATION, *pairs])} */ "

    def mark(self, connection: Connection) -> None:
        """Add the comment to all later queries on the connection."""
        if connection.dialect.name in _COMMENTED:
            event.listen(connection, "before_cursor_execute", self._with_comment, retval=True)

    def _with_comment(
        self, _connection: Connection, _cursor: Any, sql: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        return self.comment + sql, parameters


UNKNOWN = Origin()


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text)
