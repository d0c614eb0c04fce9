"""Define the settings of a run.

Each field is read from an environment variable. The variable's name is REPORTS_ followed by the field's name
in upper case.
"""

import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from flows.errors import ReportInvalid
from flows.sources import database_url
from flows.storage.from_url import check_storage_url
from flows.webhooks.address import parse_private_hosts
from flows.webhooks.signing_keys import WebhookSecrets, parse_secrets

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_HOST_AND_PORT = re.compile(r"([^\s/@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

logger = logging.getLogger(__name__)


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="REPORTS_", extra="ignore")

    database_url: SecretStr = Field(description="Database of the reports, as an SQLAlchemy URL.")
    databases: Annotated[dict[str, SecretStr], NoDecode] = Field(
        default_factory=dict,
        description="Further databases, as a JSON object of names and SQLAlchemy URLs. A report chooses one"
        " with `database`.",
    )
    storage_url: str = Field(description="Where files are stored: s3://bucket/prefix or file:///folder.")
    public_url: str = Field("http://127.0.0.1:8000", description="Public URL of the API.")
    docs_url: str = Field(
        "", description="URL of the folder docs/ as operators can read it. Pages of failed runs link to it."
    )
    catalog: str = Field("", description="Modules or packages with more reports, separated by commas.")
    default_report: str = Field(
        "",
        description="Report used by requests that do not name one."
        " Defaults to `survey-responses`, or to the only report.",
    )
    link_seconds: int = Field(3600, ge=900, le=604800, description="Lifetime of a signed link, in seconds.")
    statement_seconds: int = Field(3600, ge=1, description="Time limit of an export's query, in seconds.")
    silence_seconds: float = Field(
        60.0,
        ge=1,
        description="Seconds without data before the service checks whether the database still works, and"
        " without progress before a call to the S3 server fails.",
    )
    attempts: int = Field(3, ge=1, le=10, description="Maximum attempts per export.")
    retry_seconds: float = Field(
        5.0, ge=0, description="Seconds before the first retry; doubles with each retry."
    )
    running_per_caller: int = Field(5, ge=1, description="Exports per caller that run at the same time.")
    rows_per_export: int = Field(0, ge=0, description="Maximum rows per export; 0 means no limit.")
    retention_days: int = Field(7, ge=1, le=3650, description="Days for which a finished file is kept.")
    history_days: int = Field(
        90,
        ge=1,
        le=36500,
        description="Days for which the record of an ended export is kept, at least as long as its file.",
    )
    webhook_secret_file: Path | None = Field(
        None, description="File with one secret per line, used to sign webhooks. Unset disables webhooks."
    )
    webhook_private_hosts: str = Field(
        "", description="Receivers that may be private: host or host:port, separated by commas."
    )
    webhook_ca_file: Path | None = Field(None, description="Additional CA certificates for receivers (PEM).")
    webhook_attempts: int = Field(8, ge=1, le=20, description="Maximum attempts per webhook.")
    webhook_retry_seconds: float = Field(
        5.0, ge=0, description="Seconds before the first retry of a webhook; quadruples with each retry."
    )

    keys_file: Path | None = Field(
        None,
        description="File of API keys. If set, every caller needs a key, and scheduled runs check"
        " that their caller still has access to the rows.",
    )
    worker_entrypoints: str = Field(
        "",
        description="Additional entrypoints that the worker runs, next to those in prefect.yaml, separated by"
        " commas; * allows any.",
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Log format; json writes one object per line, with the job's id."
    )

    @field_validator("database_url")
    @classmethod
    def _select_driver(cls, url: SecretStr) -> SecretStr:
        return SecretStr(database_url.with_driver(url.get_secret_value()))

    @field_validator("databases", mode="before")
    @classmethod
    def _parse_databases(cls, value: object) -> dict[str, str]:
        return database_url.parse_databases(value) if isinstance(value, str) else dict(value)  # type: ignore[call-overload]

    @field_validator("storage_url")
    @classmethod
    def _check_storage_url(cls, url: str) -> str:
        return check_storage_url(url)

    @field_validator("public_url", "docs_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url and not _URL.fullmatch(url):
            raise ValueError("must be an http or https URL, such as https://exports.example.com")
        return url.rstrip("/")

    @field_validator("webhook_private_hosts")
    @classmethod
    def _check_private_hosts(cls, hosts: str) -> str:
        for host in (host.strip() for host in hosts.split(",")):
            if host and not _HOST_AND_PORT.fullmatch(host):
                raise ValueError(f"{host!r} is not a host; write host or host:port, without a scheme or path")
        return hosts

    def url_of(self, database: str) -> str:
        """Return the URL of the database with this name. Raises ReportInvalid if there is none."""
        if (url := self.database_urls.get(database)) is None:
            raise ReportInvalid(f"The report's database {database!r} is not in REPORTS_DATABASES.")
        return url

    @property
    def database_urls(self) -> Mapping[str, str]:
        """The URLs of all databases, keyed by name.

        The name of the database in REPORTS_DATABASE_URL is the empty string.
        """
        urls = {"": self.database_url, **self.databases}
        return {name: url.get_secret_value() for name, url in urls.items()}

    @property
    def private_webhook_hosts(self) -> frozenset[str]:
        return parse_private_hosts(self.webhook_private_hosts)

    @property
    def webhook_secrets(self) -> WebhookSecrets | None:
        """The webhook secrets, or None if webhooks are disabled.

        The file is read on every access, so that changes take effect immediately.
        """
        if self.webhook_secret_file is None:
            return None
        try:
            return parse_secrets(self.webhook_secret_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            logger.error("webhooks are disabled because the secret file cannot be used: %s", error)
            return None

    @property
    def other_entrypoints(self) -> frozenset[str]:
        return frozenset(name.strip() for name in self.worker_entrypoints.split(",") if name.strip())

    @property
    def retention(self) -> timedelta:
        return timedelta(days=self.retention_days)

    @property
    def history(self) -> timedelta:
        """The retention period for run records. A record is kept for at least as long as its file."""
        return timedelta(days=max(self.history_days, self.retention_days))

    @property
    def catalog_modules(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.catalog.split(",") if name.strip())
