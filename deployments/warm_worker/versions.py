"""Define the versions of Prefect that the warm worker supports. StockWorker works with any version."""

from importlib.metadata import version

from packaging.version import Version

# The tests run the worker with both versions.
OLDEST, NEWEST = "3.8.8", "3.9.1"


def installed_version() -> str:
    return version("prefect")


def is_tested(installed: str) -> bool:
    return Version(OLDEST) <= Version(installed) <= Version(NEWEST)


def untested_warning(installed: str) -> str:
    return (
        f"The warm worker is tested with Prefect {OLDEST} to {NEWEST}, but {installed} is installed."
        " Each run now starts in a new process, which takes several seconds."
        f" For warm processes, install prefect=={NEWEST}."
    )
