"""What the API reads from its environment, beside what runs read (flows/settings.py)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from flows.settings import Settings


class ApiSettings(Settings):
    deployment: str = Field("export-report/export", description="The deployment that runs exports.")
    work_pool: str = Field("exports", description="The work pool whose workers take them.")
    outage_seconds: float = Field(
        1.5, gt=0, description="How long a silent database, storage or Prefect is waited for before a 503."
    )
    table_seconds: int = Field(20, ge=1, description="How long one page of the table may take to read.")
    keys_file: Path | None = Field(None, description="The file of API keys; with it, every caller needs one.")
    jwt_key_file: Path | None = Field(
        None, description="The public key (PEM) that callers' JWTs are signed for."
    )
    jwt_algorithm: Literal["RS256", "ES256", "EdDSA"] = Field(
        "RS256", description="The one that is accepted."
    )
    jwt_issuer: str = Field("", description="Who must have issued a JWT.")
    jwt_audience: str = Field("", description="Whom a JWT must be meant for.")

    queued_per_caller: int = Field(50, ge=1, description="How many exports of one caller may wait.")
    starts_per_second: float = Field(1.0, gt=0, description="How many exports one caller may start.")
    starts_burst: int = Field(10, ge=1, description="How many of them at once, after a pause.")

    @model_validator(mode="after")
    def _pin_the_issuer(self) -> "ApiSettings":
        if self.jwt_key_file is not None and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError("jwt_key_file needs jwt_issuer and jwt_audience")
        return self

    @property
    def authenticates(self) -> bool:
        return self.keys_file is not None or self.jwt_key_file is not None
