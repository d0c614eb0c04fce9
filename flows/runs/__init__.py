"""Track the run of an export in Prefect, including its progress, receipt, result, tags, artifacts and page.

Code that reads or writes the state of a run in Prefect belongs here. The `schedules` package follows up on
the runs of a schedule, and the `formats` and `storage` packages handle the file itself.
"""
