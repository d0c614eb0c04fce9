"""What the run reads from its environment; each name is REPORTS_ and the field's, in capitals."""

from datetime import timedelta

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    readers: int = Field(
        0,
        ge=0,
        le=16,
        description="Connections that read one big export together; 0 is by the machine's cores.",
    )
    attempts: int = Field(3, ge=1, le=10, description="How often one export is tried.")
    retry_seconds: float = Field(5.0, ge=0, description="The pause before the second try; it doubles.")
    running_per_caller: int = Field(5, ge=1, description="How many exports of one caller run at a time.")
    rows_per_export: int = Field(0, ge=0, description="The most rows of one export; 0 is any number.")
    retention_days: int = Field(7, ge=1, le=3650, description="How long a finished file is kept.")

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
    def retention(self) -> timedelta:
        return timedelta(days=self.retention_days)

    @property
    def catalog_modules(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.catalog.split(",") if name.strip())
