"""Read the Prefect deployments that need to be registered.

These are the service's own deployments and the schedules in the user's project. Both are declared in files
named `prefect.yaml`. The user's file is the one in the current folder.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # types-PyYAML is not installed

_HERE = Path(__file__).resolve().parent
# In the wheel, prefect.yaml is part of this package. In a checkout, it is in the root folder.
SHIPPED = next(path for path in (_HERE / "prefect.yaml", _HERE.parent / "prefect.yaml") if path.exists())
USERS = Path("prefect.yaml")
EXPORT = "flows.export.export_report"
DEFAULT_POOL = "exports"
POOL_SETTING = "REPORTS_WORK_POOL"

Deployment = dict[str, Any]


class DeploymentsInvalid(Exception):
    """The user's prefect.yaml cannot be applied. The message names the file and the reason."""


def read_deployments(environment: Mapping[str, str]) -> list[Deployment]:
    """Return all deployments to register. They use the work pool in REPORTS_WORK_POOL.

    Deployments in the user's file are omitted unless they run the export flow. Raises DeploymentsInvalid if
    the file is invalid or names a different work pool.
    """
    pool = environment.get(POOL_SETTING) or DEFAULT_POOL
    shipped: list[Deployment] = yaml.safe_load(SHIPPED.read_text())["deployments"]
    users = list(_read_users(shipped, pool))
    for deployment in shipped:
        deployment["work_pool"]["name"] = pool
    return [*shipped, *users]


def write_file(deployments: list[Deployment], folder: Path) -> Path:
    """Write the deployments to a prefect.yaml file for `prefect deploy`, and return the file's path."""
    path = folder / "prefect.yaml"
    # If `pull` were missing, Prefect would add a pull step that changes the working directory. The worker
    # rejects deployments with pull steps.
    path.write_text(yaml.safe_dump({"name": "report-exports", "pull": [], "deployments": deployments}))
    return path


def _read_users(shipped: list[Deployment], pool: str) -> Iterator[Deployment]:
    """Yield the user's deployments.

    The file may be a copy of the shipped one, for example if the current folder is a checkout of this
    repository and the service is installed from a wheel. Unchanged deployments of the copy are omitted.
    """
    if not USERS.is_file() or os.path.samefile(USERS, SHIPPED):
        return
    used_names = {deployment["name"] for deployment in shipped}
    for deployment in _parse(USERS):
        if deployment.get("entrypoint") != EXPORT or deployment in shipped:
            continue
        name = deployment.get("name")
        if not isinstance(name, str) or name in used_names:
            raise DeploymentsInvalid(
                f"{USERS}: the name {name!r} of a deployment is missing or already used."
            )
        used_names.add(name)
        _check_pool(deployment, pool)
        yield deployment


def _parse(path: Path) -> list[Deployment]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DeploymentsInvalid(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    deployments = content.get("deployments") if isinstance(content, dict) else content
    if not isinstance(deployments or [], list) or not all(
        isinstance(item, dict) for item in deployments or []
    ):
        raise DeploymentsInvalid(f"{path} must contain a list of `deployments`.")
    return deployments or []


def _check_pool(deployment: Deployment, pool: str) -> None:
    """Set the work pool of the deployment if it does not name one.

    Raises DeploymentsInvalid if the deployment names a work pool other than the one in REPORTS_WORK_POOL.
    """
    work_pool = deployment.setdefault("work_pool", {})
    name = work_pool.setdefault("name", pool) if isinstance(work_pool, dict) else work_pool
    if name != pool:
        raise DeploymentsInvalid(
            f"{USERS}: the deployment {deployment['name']!r} uses the work pool {name!r}, but {POOL_SETTING}"
            f" is {pool!r}, so no worker would run its exports. Use the same work pool in both places."
        )
