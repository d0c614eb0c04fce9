"""Track a run of an export in Prefect: its progress, receipt, result, tags, artifacts and page.

Code that reads or writes the state of a run in Prefect belongs here. The `schedules` package follows up the
runs of a schedule, and `formats` and `storage` handle the file itself.
"""
