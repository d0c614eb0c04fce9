"""Load what all child processes need, and freeze it, so that the garbage collector in them skips it.

This must be the last module that is imported before the first fork.
"""

import gc

from flows.storage import s3_models

s3_models.preload()
gc.collect()
gc.freeze()
