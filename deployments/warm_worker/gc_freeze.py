"""Imported last before the first fork: what has been imported until then is no garbage in any child."""

import gc

gc.collect()
gc.freeze()
