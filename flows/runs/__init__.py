"""One run of an export in Prefect: its progress, receipt, result, tags, artifacts and page.

Code that reads or writes a run's state in Prefect belongs here. What a schedule does with a run belongs in
`schedules`, and the file itself in `formats` and `storage`.
"""
