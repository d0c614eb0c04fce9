"""Imported last before the first fork, so that the children's garbage collector skips everything imported."""

import gc

gc.collect()
gc.freeze()
