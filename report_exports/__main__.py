"""Run the `report-exports` command with `python -m report_exports`."""

import sys

from report_exports import main

if __name__ == "__main__":
    sys.exit(main())
