"""Allow web pages on the origins in REPORTS_CORS_ORIGINS to call the API from a browser.

Callers identify themselves by the Authorization header. Cookies are not used, so credentials stay off.
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
# Browsers hide all other headers from scripts on another origin.
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
# Chromium remembers a preflight for at most two hours.
MAX_AGE_SECONDS = 7200


def allow_origins(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Return the application with CORS headers for these origins, or unchanged without origins."""
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
