"""Choose the driver for a database URL and report problems with the URL."""

import json
import re

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

# Drivers for URLs that do not name one. We test with these instead of SQLAlchemy's defaults.
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "oracle": "oracle+oracledb",
}
# Maps each dialect to the report-exports extra that installs its driver.
_EXTRAS = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "mssql": "mssql",
    "oracle": "oracle",
    "snowflake": "snowflake",
}
_DIALECTS = {
    "snowflake": "snowflake-sqlalchemy",
    "duckdb": "duckdb-engine",
    "redshift": "sqlalchemy-redshift",
}
# Matches a URL that has another @ in the host, the port, the database or the start of the query. The first @
# is then part of the password.
_AT_IN_PASSWORD = re.compile(r"[^:/]+://[^:/]*:[^@]*@(?:[^/?]*@|[^/?]*/[^/?]*@[^?]*/|[^?]*\?[^=]*@)")
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_FORM = 'must be a JSON object, such as {"warehouse": "postgresql://user@host/database"}'


def with_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return _DRIVERS.get(scheme, scheme) + separator + rest


def parse_databases(text: str) -> dict[str, str]:
    """Parse REPORTS_DATABASES, a JSON object that maps names to URLs.

    Raises ValueError for an invalid value. The message contains no URL, because URLs may contain passwords.
    """
    try:
        databases = json.loads(text or "{}")
    except ValueError:
        raise ValueError(_FORM) from None
    if not isinstance(databases, dict) or not all(isinstance(url, str) for url in databases.values()):
        raise ValueError(_FORM)
    for name, url in databases.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"must not use the name {name!r}. Use lower-case letters, digits, - and _")
        if problem := find_problem(url):
            raise ValueError(f"must contain valid URLs: {name} {problem.rstrip('.')}")
    return {name: with_driver(url) for name, url in databases.items()}


def find_problem(url: str) -> str | None:
    """Return a description of the problem with the URL, or None.

    The description completes a sentence whose subject is the URL. No connection is opened.
    """
    if _AT_IN_PASSWORD.match(url):
        return (
            "has a password with special characters, which must be percent-encoded. Write @ as %40, / as %2F,"
            " # as %23, ? as %3F and % as %25."
        )
    try:
        parsed = make_url(with_driver(url))
    except (ArgumentError, ValueError):
        return "must be an SQLAlchemy URL, such as postgresql://user@host/database."
    name = parsed.get_backend_name()
    try:
        parsed.get_dialect().import_dbapi()
    except NoSuchModuleError:
        package = _DIALECTS.get(name, f"sqlalchemy-{name}")
        return f"names {name}://, which needs an SQLAlchemy dialect. Run: pip install {package}"
    except ModuleNotFoundError as error:
        extra = f", or the extra report-exports[{_EXTRAS[name]}]" if name in _EXTRAS else ""
        return f"names {name}://, which needs a driver. Run: pip install {error.name}{extra}"
    return None
