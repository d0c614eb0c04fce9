"""Reports for browser tests: a slow one and one with a million rows."""
