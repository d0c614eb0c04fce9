"""A Prefect worker type whose run processes have imported everything beforehand.

Registered through the entry point group `prefect.collections`, so that `prefect worker start --type warm`
and `prefect work-pool create --type warm` know it.
"""

from deployments.warm_worker.worker import WarmWorker

__all__ = ["WarmWorker"]
