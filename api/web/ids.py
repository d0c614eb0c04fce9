"""What the ids of exports and of recurring exports look like: UUIDs, as they are answered. Pure."""

import re

PATTERN = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
JOB_ID = re.compile(PATTERN, re.ASCII)
