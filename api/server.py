"""Create the application for a process that serves nothing else.

Run it with `uvicorn --factory api.server:create_app --http api.web.http_protocol:LimitedHttp`.

By default, Python looks for garbage after 700 new objects, and sometimes examines all objects of the process.
This took a quarter of the CPU time of polls, and meanwhile other polls waited.
"""

import gc

from api import app

GARBAGE_THRESHOLDS = (20_000, 20, 100)


def create_app() -> app.Application:
    """Build the application from environment variables, and exclude it from garbage collection.

    Raises DeclarationError if no report has the name in REPORTS_DEFAULT_REPORT.
    """
    application = app.create_app()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    return application
