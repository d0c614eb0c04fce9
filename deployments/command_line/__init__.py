"""Commands that talk to a running service over HTTP.

This package contains requests to the API, polling, downloads, exit codes and signal handling. It must not
import the service itself (`flows`, `api`, Prefect, pandas), because that would delay every command.
"""
