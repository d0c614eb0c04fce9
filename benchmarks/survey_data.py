"""Generate surveys with a given number of responses in a separate database on the stack's server.

The responses are copies of the rows that deployments/stack/parts/sample_rows.sql generates, but with
different timestamps. Each row has 11 columns. One of them is a JSON document with up to 10 answers. As in a
production table, ids increase with time.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql
from sqlalchemy import create_engine

from deployments.stack.parts import sample_data
from flows.samples.survey_responses import metadata

DATABASE = "measured"
SAMPLE_RESPONSES = 60_000
SAMPLE_SURVEY = "668b6fa3b8d693cd865b44bb"
FIRST_DAY, LAST_DAY = "2024-07-08", "2025-07-07"
DAY_AFTER = f"timestamptz '{LAST_DAY}' + interval '1 day'"

REPEAT = """
INSERT INTO survey_responses
SELECT %(first_id)s + row_number() OVER (ORDER BY moment, id), %(survey)s, moment, is_attended, utm,
    respondent_name, respondent_email, country, score, comment, answers
FROM (
    SELECT sample.*, timestamptz '2024-07-08 00:00Z' + interval '1 second' * (
        (extract(epoch FROM submitted_at - '2024-07-08 00:00Z') + repeated * 7919) %% (365 * 86400)) AS moment
    FROM survey_responses AS sample, generate_series(0, %(rows)s / %(sample)s) AS repeated
    WHERE survey_id = %(sample_survey)s
    LIMIT %(rows)s
) AS moved
ORDER BY moment, id
"""


@dataclass(frozen=True)
class Survey:
    rows: int

    @property
    def id(self) -> str:
        return f"{self.rows:024x}"

    @property
    def request(self) -> dict[str, str]:
        """The body of a request that exports all responses to the survey."""
        return {"report": "survey-responses", "surveyId": self.id, "from": FIRST_DAY, "to": LAST_DAY}

    @property
    def select(self) -> str:
        """Hand-written SQL that selects the report's columns from PostgreSQL."""
        return f"SELECT {COLUMNS}, {ANSWERS} {self._from}"

    @property
    def select_of_sqlite(self) -> str:
        """Hand-written SQL for the SQLite file. SQLite stores timestamps as text."""
        return self.select.replace(
            f"timestamptz '{LAST_DAY}' + interval '1 day'", f"date('{LAST_DAY}', '+1 day')"
        )

    @property
    def select_with_json(self) -> str:
        return f"SELECT {COLUMNS}, answers {self._from}"

    @property
    def _from(self) -> str:
        return (
            f"FROM survey_responses WHERE survey_id = '{self.id}' AND submitted_at >= '{FIRST_DAY}'"
            f" AND submitted_at < {DAY_AFTER} ORDER BY submitted_at, id"
        )


COLUMNS = "id, submitted_at, is_attended, utm, respondent_name, respondent_email, country, score, comment"
IN_UTC = "to_char(submitted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
ALL_FOR_SQLITE = COLUMNS.replace("id, submitted_at", f"id, survey_id, {IN_UTC}") + ", answers::text"
# Maps each table to the columns that PostgreSQL copies and to the definition of the table in MariaDB.
MARIADB_TABLES = {
    "surveys": (
        f"id, title, {IN_UTC.replace('submitted_at', 'created_at')}",
        "id CHAR(24) PRIMARY KEY, title TEXT NOT NULL, created_at DATETIME(6) NOT NULL",
    ),
    "survey_questions": (
        "survey_id, position, key, label, kind",
        "survey_id CHAR(24), position INT NOT NULL, `key` VARCHAR(50), label TEXT NOT NULL,"
        " kind VARCHAR(50) NOT NULL, PRIMARY KEY (survey_id, `key`)",
    ),
    "survey_responses": (
        COLUMNS.replace("id, submitted_at, is_attended", f"id, survey_id, {IN_UTC}, is_attended::int")
        + ", answers",
        "id INT PRIMARY KEY, survey_id CHAR(24) NOT NULL, submitted_at DATETIME(6) NOT NULL,"
        " is_attended BOOLEAN NOT NULL, utm VARCHAR(50), respondent_name TEXT, respondent_email TEXT,"
        " country VARCHAR(50) NOT NULL, score INT, comment TEXT, answers JSON NOT NULL,"
        " INDEX by_time (survey_id, submitted_at, id)",
    ),
}
QUESTIONS = (
    *("overall", "recommend", "channel", "topics", "spent", "again", "visit_date", "wish", "code", "remarks"),
)
ANSWERS = ", ".join(f"answers->>'{key}' AS {key}" for key in QUESTIONS)


def create_database(server_url: str, surveys: Iterable[Survey]) -> str:
    """Create a database with the surveys and return its libpq URL."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    url = f"{server_url.rpartition('/')[0]}/{DATABASE}"
    sample_data.load(url, SAMPLE_RESPONSES)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET work_mem = '256MB'")
        first_id = SAMPLE_RESPONSES
        for survey in surveys:
            _fill(connection, survey, first_id)
            first_id += survey.rows
        # Without VACUUM, the first query that reads a row would have to set hint bits and rewrite the page.
        connection.execute("VACUUM (FREEZE, ANALYZE) survey_responses")
        connection.execute("CHECKPOINT")
    return url


def _fill(connection: psycopg.Connection, survey: Survey, first_id: int) -> None:
    parameters = {
        "survey": survey.id,
        "rows": survey.rows,
        "first_id": first_id,
        "sample": SAMPLE_RESPONSES - 5_001,
        "sample_survey": SAMPLE_SURVEY,
    }
    connection.execute("INSERT INTO surveys VALUES (%(survey)s, 'Measured', now())", parameters)
    connection.execute(
        "INSERT INTO survey_questions SELECT %(survey)s, position, key, label, kind"
        " FROM survey_questions WHERE survey_id = %(sample_survey)s",
        parameters,
    )
    connection.execute(REPEAT, parameters)


def copy_to_sqlite(url: str, surveys: Iterable[Survey], file: Path) -> str:
    """Copy the surveys to an SQLite file, in the format that SQLAlchemy uses, and return the file's URL."""
    target = create_engine(f"sqlite:///{file}")
    metadata.create_all(target)
    target.dispose()
    with closing(sqlite3.connect(file)) as destination, psycopg.connect(url) as source:
        for table, columns in (
            ("surveys", "*"),
            ("survey_questions", "*"),
            ("survey_responses", ALL_FOR_SQLITE),
        ):
            scope = "id" if table == "surveys" else "survey_id"
            rows = source.cursor(f"all_{table}").execute(
                f"SELECT {columns} FROM {table} WHERE {scope} = ANY(%s)",  # noqa: S608 - constant names
                [[survey.id for survey in surveys]],
            )
            placeholders = ", ".join("?" * len(rows.description or ()))
            destination.executemany(f"INSERT INTO {table} VALUES ({placeholders})", rows)  # noqa: S608
        destination.execute("CREATE INDEX by_time ON survey_responses (survey_id, submitted_at, id)")
        destination.commit()
    return f"sqlite:///{file}"


def copy_to_mariadb(url: str, survey: Survey, target_url: str) -> str:
    """Copy a survey to an empty MariaDB database and return the database's URL.

    The server reads the rows from files, so it must run on this machine.
    """
    engine = create_engine(target_url)
    with (
        engine.begin() as destination,
        psycopg.connect(url) as source,
        TemporaryDirectory() as folder,
    ):
        Path(folder).chmod(0o755)  # the server may run as another user
        for table, (columns, definition) in MARIADB_TABLES.items():
            scope = "id" if table == "surveys" else "survey_id"
            file = Path(folder) / table
            query = f"COPY (SELECT {columns} FROM {table} WHERE {scope} = '{survey.id}' ORDER BY 1) TO STDOUT"  # noqa: S608
            with file.open("wb") as rows, source.cursor().copy(query) as copy:
                for block in copy:
                    rows.write(block)
            destination.exec_driver_sql(f"CREATE TABLE {table} ({definition})")
            destination.exec_driver_sql(f"LOAD DATA INFILE '{file}' INTO TABLE {table} CHARACTER SET utf8mb4")
            destination.exec_driver_sql(f"ANALYZE TABLE {table}")
    engine.dispose()
    return target_url
