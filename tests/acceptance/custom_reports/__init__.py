"""Custom reports, loaded through REPORTS_CATALOG."""
