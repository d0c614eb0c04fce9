"""Create, change, preview and list schedules. Each schedule is a deployment in Prefect.

Code that stores and presents schedules belongs here. Recurrence rules and relative date ranges belong in
`flows.schedules`, because runs need them too.
"""
