"""The user's project: create it, generate and check its reports, and load its settings."""
