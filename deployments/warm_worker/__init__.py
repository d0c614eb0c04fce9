"""Prefect worker of type `warm`, which runs flows in processes that have already imported everything.

This package contains the process pool, fair scheduling between callers, the recovery of crashed runs, and
metrics. What a run does is in `flows`. Prefect finds the worker type by the entry point
`prefect.collections`.
"""

from deployments.warm_worker.worker import WarmWorker

__all__ = ["WarmWorker"]
