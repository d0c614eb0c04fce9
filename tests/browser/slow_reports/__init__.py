"""Define reports for browser tests."""
