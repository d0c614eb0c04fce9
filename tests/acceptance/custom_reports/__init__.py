"""Reports in a user's own package, as REPORTS_CATALOG names it."""
