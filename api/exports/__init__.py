"""Exports as resources: start, list, read, cancel and watch runs in Prefect.

Code that maps runs to jobs belongs here. HTTP parameters and responses belong in `routes`, and what a run
does belongs in `flows`.
"""
