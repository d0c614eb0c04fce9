"""Settings of the API, beside those that runs read too (flows/settings.py)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from flows.settings import Settings


class ApiSettings(Settings):
    deployment: str = Field("export-report/export", description="The deployment that runs exports.")
    work_pool: str = Field("exports", description="The work pool whose workers run exports.")
    outage_seconds: float = Field(
        1.5, gt=0, description="Seconds to wait for the database, storage or Prefect before answering 503."
    )
    table_seconds: int = Field(20, ge=1, description="Seconds that reading one page of the table may take.")
    keys_file: Path | None = Field(None, description="File of API keys. If set, every caller needs a key.")
    jwt_key_file: Path | None = Field(
        None, description="File of the public key (PEM) that verifies callers' JWTs."
    )
    jwt_algorithm: Literal["RS256", "ES256", "EdDSA"] = Field(
        "RS256", description="The accepted signature algorithm of JWTs."
    )
    jwt_issuer: str = Field("", description="The required issuer of JWTs.")
    jwt_audience: str = Field("", description="The required audience of JWTs.")

    queued_per_caller: int = Field(50, ge=1, description="Exports of one caller that may wait.")
    starts_per_second: float = Field(1.0, gt=0, description="Exports per second that one caller may start.")
    starts_burst: int = Field(10, ge=1, description="Exports that one caller may start at once.")

    @model_validator(mode="after")
    def _pin_the_issuer(self) -> "ApiSettings":
        if self.jwt_key_file is not None and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError("jwt_key_file needs jwt_issuer and jwt_audience")
        return self

    @property
    def authenticates(self) -> bool:
        return self.keys_file is not None or self.jwt_key_file is not None
