"""Reports for acceptance tests, which load them through REPORTS_CATALOG."""
