"""Commands that talk to a running service over HTTP.

This package contains the API client, polling, downloads, exit codes and signal handling. It must not import
the service itself (`flows`, `api`, Prefect, pandas), because that would delay every command.
"""
