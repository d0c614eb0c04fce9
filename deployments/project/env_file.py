"""Load settings from the file `.env` in the current folder."""

import os
from pathlib import Path

from deployments.stack.orphan_processes import MARK

ENV_FILE = Path(".env")


def load_env_file() -> None:
    """Set the environment variables in `.env` that are not set yet.

    Child processes of `up` receive complete settings. They do not read the file, because it may contain
    variables that `up` has removed.
    """
    if MARK in os.environ or not ENV_FILE.is_file():
        return
    from dotenv import load_dotenv

    load_dotenv(ENV_FILE, override=False)
