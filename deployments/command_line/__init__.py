"""Client side of the command line: talk to a running service over HTTP.

Here: requests to the API, polling, downloads, exit codes and signals.
Not here: imports of the service itself (`flows`, `api`, Prefect, pandas), which would delay every start.
"""
