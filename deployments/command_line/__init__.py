"""Client side of the command line: talk to a running service over HTTP.

Belongs here: requests to the API, polling, downloads, exit codes and signals.
Does not: imports of the service itself (`flows`, `api`, Prefect, pandas), which would delay every start.
"""
