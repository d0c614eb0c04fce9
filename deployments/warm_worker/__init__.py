"""Prefect worker of type `warm`: child processes import everything before they receive a run.

Here: claiming runs, the process pool, fair share between callers, recovery of lost runs, metrics.
Not here: what a run does (`flows`). The entry point `prefect.collections` makes Prefect know `--type warm`.
"""

from deployments.warm_worker.worker import WarmWorker

__all__ = ["WarmWorker"]
