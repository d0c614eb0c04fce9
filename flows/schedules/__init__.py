"""Compute the recurrence and dates of schedules, and follow up on their runs.

The `api.schedules` package reads and stores schedules. Code for the run itself belongs in `runs`.
"""
