"""Commands that generate and check reports for the user's own database."""
