"""Create the user's project, generate and check its reports, and load its settings."""
