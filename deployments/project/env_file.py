"""Load settings from the `.env` file in the current folder."""

import os
from pathlib import Path

from deployments.stack.orphan_processes import MARK

ENV_FILE = Path(".env")


def load_env_file() -> None:
    """Set each environment variable in `.env` that is not already set.

    Child processes of `up` inherit all their settings from `up`. They do not read the file, because it may
    contain variables that `up` has removed from their environment.
    """
    if MARK in os.environ or not ENV_FILE.is_file():
        return
    from dotenv import load_dotenv

    load_dotenv(ENV_FILE, override=False)
