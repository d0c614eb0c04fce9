"""Compute the recurrence and dates of schedules, and follow up their runs.

The API reads and stores schedules in `api.schedules`. The run itself belongs in `runs`.
"""
