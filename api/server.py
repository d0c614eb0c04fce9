"""Create the application for a dedicated process.

Run it with `uvicorn --factory api.server:create_app --http api.web.http_protocol:LimitedHttp`.

By default, Python looks for garbage after 700 new objects, and sometimes examines all objects of the process.
These full collections took a quarter of the CPU time of polls and blocked all other polls.
"""

import gc

from api import app

GARBAGE_THRESHOLDS = (20_000, 20, 10)


def create_app() -> app.Application:
    """Build the application from environment variables, and exclude its objects from garbage collection.

    Raises DeclarationError if no report has the name in REPORTS_DEFAULT_REPORT.
    """
    application = app.create_app()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    return application
