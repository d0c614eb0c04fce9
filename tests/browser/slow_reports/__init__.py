"""Reports for browser tests."""
