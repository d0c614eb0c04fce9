"""Allow web pages from the origins in REPORTS_CORS_ORIGINS to call the API.

Callers authenticate with the Authorization header instead of cookies, so `allow_credentials` stays off.
"""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Prefer",
    "X-Request-Id",
    "traceparent",
    "tracestate",
)
# Browsers hide most other response headers from scripts on other origins.
RESPONSE_HEADERS = (
    "Allow",
    "Content-Disposition",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Retry-After",
    "Warning",
    "WWW-Authenticate",
    "X-Export-Status",
    "X-Progress",
    "X-Request-Id",
)
# Chromium caches preflight responses for at most two hours.
MAX_AGE_SECONDS = 7200


def allow_origins(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Wrap the application so that it sends CORS headers for these origins.

    Returns the application unchanged if `origins` is empty.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=RESPONSE_HEADERS,
        max_age=MAX_AGE_SECONDS,
    )
