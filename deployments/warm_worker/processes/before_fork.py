"""Load and freeze what all child processes need, so that their garbage collectors skip it.

This must be the last module that is imported before the first fork.
"""

import gc
from contextlib import suppress

from flows.storage import s3_models

with suppress(Exception):  # a child process that needs the models will report the error
    s3_models.preload()
gc.collect()
gc.freeze()
