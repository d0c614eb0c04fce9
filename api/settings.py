"""Settings that only the API uses. The settings in flows/settings.py are shared with export runs."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from flows.settings import Settings

_DEPLOYMENT = re.compile(r"[^/]+/[^/]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
# The origin of an app may use a custom scheme, as in capacitor://localhost.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_S3_URL = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SITE = re.compile(r"'self'|https?://(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:(\d{1,5}|\*))?")


class ApiSettings(Settings):
    deployment: str = Field("export-report/export", description="The deployment that runs exports.")
    work_pool: str = Field("exports", description="The work pool whose workers run exports.")
    outage_seconds: float = Field(
        1.5, gt=0, description="Seconds to wait for the database, storage or Prefect before answering 503."
    )
    table_seconds: int = Field(
        20, ge=1, description="Maximum time for reading one page of the table, in seconds."
    )
    jwt_key_file: Path | None = Field(
        None, description="File of the public key (PEM) that verifies callers' JWTs."
    )
    jwt_algorithm: Literal["RS256", "ES256", "EdDSA"] = Field(
        "RS256", description="The accepted signature algorithm of JWTs."
    )
    jwt_issuer: str = Field("", description="The required issuer of JWTs.")
    jwt_audience: str = Field("", description="The required audience of JWTs.")
    jwt_pii: bool = Field(
        True, description="Whether JWTs without the claim `pii` give access to personal data."
    )
    token_secret_file: Path | None = Field(
        None,
        description="File with one secret per line, used to sign tokens. Unset disables `POST /tokens`.",
    )
    allowed_hosts: str = Field(
        "", description="Additional host names that the API accepts, without ports and separated by commas."
    )
    s3_public_url: str = Field(
        "",
        description="Address of the S3 server in links, such as https://files.example.com. Defaults to the"
        " address that the service itself uses.",
    )
    cors_origins: str = Field(
        "",
        description="Origins whose web pages may call the API from a browser, such as"
        " https://app.example.com, separated by commas.",
    )

    frame_ancestors: str = Field(
        "", description="Sites that may embed the page in a frame, separated by spaces. Unset: none."
    )

    queued_per_caller: int = Field(50, ge=1, description="Exports of one caller that may wait.")
    starts_per_second: float = Field(1.0, gt=0, description="Exports per second that one caller may start.")
    starts_burst: int = Field(10, ge=1, description="Exports that one caller may start at once.")
    schedules_per_caller: int = Field(100, ge=1, description="Schedules that one caller may have.")
    previews_per_second: float = Field(
        2.0, gt=0, description="Dry runs and schedule previews per second that one caller may request."
    )
    previews_burst: int = Field(
        20, ge=1, description="Dry runs and schedule previews that one caller may request at once."
    )

    tokens_per_second: float = Field(
        10.0, gt=0, description="Tokens per second that the keys of one caller may create."
    )
    tokens_burst: int = Field(100, ge=1, description="Tokens that the keys of one caller may create at once.")

    @field_validator("deployment")
    @classmethod
    def _check_deployment(cls, name: str) -> str:
        if not _DEPLOYMENT.fullmatch(name):
            raise ValueError("must be the names of a flow and a deployment, such as export-report/export")
        return name

    @model_validator(mode="after")
    def _pin_the_issuer(self) -> "ApiSettings":
        if self.jwt_key_file is not None and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError("REPORTS_JWT_KEY_FILE needs REPORTS_JWT_ISSUER and REPORTS_JWT_AUDIENCE")
        return self

    @field_validator("s3_public_url")
    @classmethod
    def _check_s3_public_url(cls, url: str) -> str:
        if url and not _S3_URL.fullmatch(url):
            raise ValueError(
                f"{url!r} is not the address of an S3 server; write http:// or https:// and the host without"
                " a path, such as https://files.example.com"
            )
        return url.rstrip("/")

    @model_validator(mode="after")
    def _check_that_files_are_in_s3(self) -> "ApiSettings":
        if self.s3_public_url and not self.storage_url.startswith("s3://"):
            raise ValueError(
                "REPORTS_S3_PUBLIC_URL needs a bucket in REPORTS_STORAGE_URL; links to a folder start with"
                " REPORTS_PUBLIC_URL"
            )
        return self

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, hosts: str) -> str:
        for host in _split(hosts):
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is not a host name; write it without a scheme, port or path")
        return hosts

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: str) -> str:
        for origin in _split(origins):
            match = _ORIGIN.fullmatch(origin)
            if match is None:
                raise ValueError(
                    f"{origin!r} is not an origin; write it as browsers send it, in lower case and without"
                    " path, such as https://app.example.com or http://localhost:3000"
                )
            if match["port"] == _DEFAULT_PORTS.get(match["scheme"], ""):
                raise ValueError(f"{origin!r} has the default port, which browsers omit; omit it, too")
        return origins

    @property
    def allowed_origins(self) -> frozenset[str]:
        return frozenset(_split(self.cors_origins))

    @field_validator("frame_ancestors")
    @classmethod
    def _check_sites(cls, sites: str) -> str:
        for site in sites.split():
            if not _SITE.fullmatch(site):
                raise ValueError(
                    f"{site!r} is not a site; write 'self', or a scheme and a host such as"
                    " https://intranet.example.com or https://*.example.com"
                )
        return " ".join(sites.split())

    @property
    def answered_hosts(self) -> frozenset[str] | None:
        """Lowercase host names that the API accepts in addition to loopback, or None to accept every host."""
        names = frozenset(host.lower().strip("[]") for host in _split(self.allowed_hosts))
        if self.authenticates and not names:
            return None
        public = urlsplit(self.public_url).hostname
        return names | {public} if public is not None else names

    @property
    def authenticates(self) -> bool:
        return self.keys_file is not None or self.jwt_key_file is not None


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
