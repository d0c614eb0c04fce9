"""What the run reads from its environment; each name is REPORTS_ and the field's, in capitals."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from flows.webhooks.address import parse_private_hosts
from flows.webhooks.signing_keys import WebhookSecrets, parse_secrets

logger = logging.getLogger(__name__)


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="REPORTS_", extra="ignore")

    database_url: SecretStr = Field(description="The database that is read, as an SQLAlchemy URL.")
    storage_url: str = Field(description="Where files go: s3://bucket/prefix or file:///folder.")
    public_url: str = Field("http://127.0.0.1:8000", description="The API's address as callers see it.")
    catalog: str = Field("", description="Modules or packages with more reports, separated by commas.")
    link_seconds: int = Field(3600, ge=900, le=604800, description="How long a link lives when it is signed.")
    statement_seconds: int = Field(3600, ge=1, description="How long one export's query may run.")
    silence_seconds: float = Field(
        60.0,
        ge=1,
        description="How long the database may be silent before it is asked whether it still works.",
    )
    attempts: int = Field(3, ge=1, le=10, description="How often one export is tried.")
    retry_seconds: float = Field(5.0, ge=0, description="The pause before the second try; it doubles.")
    running_per_caller: int = Field(5, ge=1, description="How many exports of one caller run at a time.")
    rows_per_export: int = Field(0, ge=0, description="The most rows of one export; 0 is any number.")
    retention_days: int = Field(7, ge=1, le=3650, description="How long a finished file is kept.")
    webhook_secret_file: Path | None = Field(
        None, description="A secret a line; webhooks are signed with keys derived from it, and off without."
    )
    webhook_private_hosts: str = Field(
        "", description="Receivers that need not be public: host or host:port, separated by commas."
    )
    webhook_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that receivers' are trusted by, beside the public ones."
    )
    webhook_attempts: int = Field(8, ge=1, le=20, description="How often one webhook is sent.")
    webhook_retry_seconds: float = Field(
        5.0, ge=0, description="The pause before the second time; it grows fourfold."
    )

    worker_entrypoints: str = Field(
        "",
        description="Entrypoints that the worker runs besides those of prefect.yaml, separated by commas;"
        " * allows any.",
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How logs are written; json is one object a line, with the job's id."
    )

    @field_validator("database_url")
    @classmethod
    def _name_the_driver(cls, url: SecretStr) -> SecretStr:
        """`postgresql://` would load a driver that is not installed."""
        scheme, separator, rest = url.get_secret_value().partition("://")
        named = "postgresql+psycopg" if scheme in ("postgres", "postgresql") else scheme
        return SecretStr(named + separator + rest)

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")

    @property
    def private_webhook_hosts(self) -> frozenset[str]:
        return parse_private_hosts(self.webhook_private_hosts)

    @property
    def webhook_secrets(self) -> WebhookSecrets | None:
        """Read again each time, so that a changed file counts at once; None when there is none to use."""
        if self.webhook_secret_file is None:
            return None
        try:
            return parse_secrets(self.webhook_secret_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            logger.error("webhooks are off: the file of their secrets is of no use: %s", error)
            return None

    @property
    def other_entrypoints(self) -> frozenset[str]:
        return frozenset(name.strip() for name in self.worker_entrypoints.split(",") if name.strip())

    @property
    def retention(self) -> timedelta:
        return timedelta(days=self.retention_days)

    @property
    def catalog_modules(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.catalog.split(",") if name.strip())
