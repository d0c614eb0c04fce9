"""Reports of the browser tests: one that leaves time to look at the page, one of a million rows."""
