"""Schedules as resources: create, change, preview and list them as deployments in Prefect.

Code that stores a schedule or reads its runs belongs here. Recurrence rules and relative days belong in
`flows.schedules`.
"""
