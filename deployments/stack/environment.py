"""Build the environment variables for the processes of the stack.

Variables that configure an external part are passed on. Other variables that could misconfigure an embedded
part, such as PREFECT_PROFILE or AWS_SESSION_TOKEN, are dropped.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.stack.orphan_processes import MARK

SAMPLE_REPORTS = "flows.samples"
LOOPBACK_NAMES = "127.0.0.1,localhost,::1"


@dataclass(frozen=True)
class Connections:
    """The address and credentials of each part. stack.json contains the same fields."""

    api_url: str
    prefect_api_url: str
    prefect_api_auth_string: str | None
    database_url: str
    admin_database_url: str | None  # for superuser access to the embedded database; not used by the service
    storage_url: str
    s3_endpoint_url: str | None
    aws_access_key_id: str | None
    aws_secret_access_key: str | None


@dataclass(frozen=True)
class Replaced:
    """Settings that replace an embedded part with an external one."""

    database_url: str | None = None
    storage_url: str | None = None
    prefect_api_url: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Replaced":
        return cls(
            database_url=environment.get("REPORTS_DATABASE_URL") or None,
            storage_url=environment.get("REPORTS_STORAGE_URL") or None,
            prefect_api_url=environment.get("PREFECT_API_URL") or None,
        )

    def passes_on(self, name: str) -> bool:
        if name == "WEB_CONCURRENCY" or name.startswith(("UVICORN_", "WEED_")):
            return False  # such variables would change how the embedded servers run
        if name.startswith("PREFECT_"):
            return self.prefect_api_url is not None and name.startswith(("PREFECT_API_", "PREFECT_CLIENT_"))
        if name.startswith("AWS_"):
            return self.storage_url is not None
        if is_of_postgres(name):
            return self.database_url is not None
        return True


def is_of_postgres(name: str) -> bool:
    return name.startswith("PG")


def for_children(
    inherited: Mapping[str, str], replaced: Replaced, connections: Connections
) -> dict[str, str]:
    """Return the environment variables for the API and the worker."""
    environment = {name: value for name, value in inherited.items() if replaced.passes_on(name)}
    environment |= _offline(inherited)
    environment |= _prefect(connections)
    if replaced.storage_url is None:
        environment |= _embedded_storage(connections)
    if "PYTHONPATH" in inherited:
        environment["PYTHONPATH"] = _absolute(inherited["PYTHONPATH"])
    return environment | {
        "REPORTS_DATABASE_URL": connections.database_url,
        "REPORTS_STORAGE_URL": connections.storage_url,
        "REPORTS_PUBLIC_URL": inherited.get("REPORTS_PUBLIC_URL") or connections.api_url,
        "REPORTS_CATALOG": ",".join(report_modules(inherited)),
        "PYTHONUNBUFFERED": "1",
    }


def report_modules(inherited: Mapping[str, str]) -> tuple[str, ...]:
    """Return the modules in REPORTS_CATALOG.

    If the embedded database is used, the sample reports come first.
    """
    names = [name.strip() for name in inherited.get("REPORTS_CATALOG", "").split(",") if name.strip()]
    samples = [] if inherited.get("REPORTS_DATABASE_URL") else [SAMPLE_REPORTS]
    return (*samples, *names)


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without our settings. Servers do not need them, and some are secrets."""
    return {name: value for name, value in environment.items() if name == MARK or not _is_setting(name)}


def _is_setting(name: str) -> bool:
    return name.startswith(("REPORTS_", "PREFECT_", "AWS_"))


def _offline(inherited: Mapping[str, str]) -> dict[str, str]:
    without_proxy = ",".join(filter(None, [inherited.get("NO_PROXY"), LOOPBACK_NAMES]))
    return {
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }


def prefect_home(folder: Path) -> dict[str, str]:
    return {"PREFECT_HOME": str(folder), "PREFECT_PROFILES_PATH": str(folder / "profiles.toml")}


def _prefect(connections: Connections) -> dict[str, str]:
    auth_string = connections.prefect_api_auth_string
    return {
        **({"PREFECT_API_AUTH_STRING": auth_string} if auth_string else {}),
        "PREFECT_API_URL": connections.prefect_api_url,
        "PREFECT_UI_URL": ui_url(connections.prefect_api_url),
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_CLI_COLORS": "false",
    }


def _embedded_storage(connections: Connections) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": connections.aws_access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": connections.aws_secret_access_key or "",
        "AWS_ENDPOINT_URL": connections.s3_endpoint_url or "",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _absolute(path: str) -> str:
    """Make the entries of PYTHONPATH absolute, because runs start in different folders."""
    return os.pathsep.join(str(Path(entry).absolute()) for entry in path.split(os.pathsep) if entry)


def ui_url(prefect_api_url: str) -> str:
    return prefect_api_url.rstrip("/").removesuffix("/api")
