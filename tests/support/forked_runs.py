"""Execute flow runs, each in a fork of a process that has already imported Prefect and the flows.

Starting a Python process for each run would take four seconds of CPU time per run.
"""

import json
import os
import runpy
import sys
from importlib import import_module

PRELOADED = ("prefect.engine", "prefect.flow_engine", "flows.export")


def main() -> int:
    """Execute runs, given as a JSON object that maps run ids to additional environment variables.

    Return the highest exit code of their processes.
    """
    for module in PRELOADED:
        import_module(module)
    pids = []
    for run_id, settings in json.loads(sys.argv[1]).items():
        if (pid := os.fork()) == 0:
            os.environ.update(settings)
            sys.argv = ["prefect.engine", run_id]
            runpy.run_module("prefect.engine", run_name="__main__")
            return 0
        pids.append(pid)
    return max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)


if __name__ == "__main__":
    sys.exit(main())
