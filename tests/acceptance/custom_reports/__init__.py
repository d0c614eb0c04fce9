"""Define reports that acceptance tests load through REPORTS_CATALOG."""
