"""Check the settings of a role before anything slow is imported or started."""

import ipaddress
import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import jwt
from botocore.session import Session
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from api.settings import ApiSettings
from deployments.stack.ports import is_free
from flows.sources import database_url

PREFECT_URL = "PREFECT_API_URL"
# At this ratio, variables such as REPORTS_SERVICE_HOST do not count as misspelled. Kubernetes sets them for a
# service named `reports`.
MISSPELLING_RATIO = 0.85
CLIENT_SETTINGS = ("REPORTS_API_URL", "REPORTS_API_KEY")
REQUIRED = {
    "REPORTS_DATABASE_URL": "an SQLAlchemy URL, such as postgresql://user@host/database",
    "REPORTS_STORAGE_URL": "s3://bucket/prefix or file:///folder",
    PREFECT_URL: "an http or https URL, such as http://127.0.0.1:4200/api",
}
# Maps pydantic's error types to our messages.
_MESSAGES = {
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:,g}",
    "less_than_equal": "must be at most {le:,g}",
    "literal_error": "must be {expected}",
}


def missing_settings(environment: Mapping[str, str], *names: str) -> str | None:
    """Return an error message that lists the missing settings, or None if all are set."""
    missing = [name for name in names if not environment.get(name)]
    if not missing:
        return None
    return " ".join(f"{name} is not set. Set it to {REQUIRED[name]}." for name in missing)


def check_settings(environment: Mapping[str, str]) -> str | None:
    """Return an error message for the first invalid setting, or None."""
    prefect_url = environment.get(PREFECT_URL)
    if prefect_url and not prefect_url.startswith(("http://", "https://")):
        return _must_be(PREFECT_URL)
    if (url := environment.get("REPORTS_DATABASE_URL")) and (problem := database_url.find_problem(url)):
        return f"REPORTS_DATABASE_URL {problem}"
    try:
        load_settings(environment)
    except ValidationError as error:
        return _describe(error.errors()[0])
    return None


def find_misspelled(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each variable whose name closely resembles the name of a setting.

    Such a variable has no effect. With a misspelled REPORTS_KEYS_FILE, for example, the API requires no keys.
    """
    settings = {*CLIENT_SETTINGS, *(f"REPORTS_{field.upper()}" for field in ApiSettings.model_fields)}
    for name in sorted(name for name in environment if name.startswith("REPORT") and name not in settings):
        for setting in get_close_matches(name, sorted(settings), n=1, cutoff=MISSPELLING_RATIO):
            yield f"{name} is not a setting and has no effect. Did you mean {setting}?"


def find_unreadable_files(settings: ApiSettings) -> Iterator[str]:
    """Yield a warning for each setting that names a file that cannot be read.

    These files may be created later. The key of JWTs is read only once, so `check_jwt_key` checks it.
    """
    for name in ("keys_file", "token_secret_file", "webhook_secret_file", "webhook_ca_file"):
        path = getattr(settings, name)
        if path is not None and not os.access(path, os.R_OK):
            yield f"REPORTS_{name.upper()}: {path} does not exist or cannot be read."


def check_jwt_key(settings: ApiSettings) -> str | None:
    """Return an error message if the file in REPORTS_JWT_KEY_FILE contains no usable key, otherwise None."""
    if (path := settings.jwt_key_file) is None:
        return None
    try:
        jwt.get_algorithm_by_name(settings.jwt_algorithm).prepare_key(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"REPORTS_JWT_KEY_FILE: {path} cannot be read: {error.strerror}."
    except (jwt.PyJWTError, ValueError, TypeError):
        return f"REPORTS_JWT_KEY_FILE: {path} contains no public key (PEM) for {settings.jwt_algorithm}."
    return None


def check_credentials(environment: Mapping[str, str]) -> str | None:
    """Return an error message if the storage is S3 and botocore finds no credentials, otherwise None."""
    if not environment.get("REPORTS_STORAGE_URL", "").startswith("s3://") or Session().get_credentials():
        return None
    return (
        "REPORTS_STORAGE_URL is an S3 bucket, and there are no AWS credentials for it. Set AWS_ACCESS_KEY_ID"
        " and AWS_SECRET_ACCESS_KEY, or configure a profile."
    )


def _describe(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if (template := _MESSAGES.get(error["type"])) is not None:
        message = template.format(**error.get("ctx", {}))
    if not error["loc"]:  # The error concerns several settings.
        return f"{message}."
    separator = " " if message.startswith("must") else ": "
    return f"REPORTS_{str(error['loc'][0]).upper()}{separator}{message}."


def load_settings(environment: Mapping[str, str]) -> ApiSettings:
    """Return the settings, with placeholders for required settings that are missing."""
    values = {name.removeprefix("REPORTS_").lower(): value for name, value in environment.items()}
    fields = {"database_url": "sqlite://", "storage_url": "s3://bucket"}
    fields |= {name: value for name, value in values.items() if name in ApiSettings.model_fields}
    return ApiSettings.model_validate(fields)


def check_host(host: str, authenticated: bool) -> str | None:
    """Return an error message if the API cannot or must not listen on this address, otherwise None."""
    if not authenticated and not ipaddress.ip_address(host).is_loopback:
        return (
            f"{host} is reachable from other machines, and authentication is not configured. Set"
            " REPORTS_KEYS_FILE or REPORTS_JWT_KEY_FILE, or use a loopback address such as 127.0.0.1."
        )
    return None if is_free(0, host) else f"this machine has no address {host}."


def _must_be(name: str) -> str:
    return f"{name} must be {REQUIRED[name]}."
