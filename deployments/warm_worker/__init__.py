"""Prefect worker of type `warm`. It runs flows in processes that have already imported everything.

This package contains the process pool, fair scheduling between callers, the recovery of crashed runs, and
metrics. The code that a run executes is in `flows`. Prefect discovers the worker type through the
`prefect.collections` entry point.
"""

from typing import TYPE_CHECKING

from deployments.warm_worker.versions import installed_version, is_tested

if TYPE_CHECKING or is_tested(installed_version()):
    from deployments.warm_worker.worker import WarmWorker
else:  # unlike WarmWorker, StockWorker does not import Prefect internals
    from deployments.warm_worker.stock_worker import StockWorker as WarmWorker

__all__ = ["WarmWorker"]
