"""Schedules: recurrence rules, the dates each run covers, and what happens after a run.

Reading and storing schedules for the API belongs in `api.schedules`; the run itself belongs in `runs`.
"""
