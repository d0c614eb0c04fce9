"""Freeze all imported objects, so that the garbage collector in child processes skips them.

This must be the last module that is imported before the first fork.
"""

import gc

gc.collect()
gc.freeze()
