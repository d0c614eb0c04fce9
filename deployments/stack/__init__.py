"""The local stack that `report-exports up` starts.

The stack consists of PostgreSQL, an S3 server, Prefect, a worker and the API. `plan` chooses ports, secrets,
addresses and environment variables before the first process starts. `local` starts the parts in order and
stops them on a signal. `supervisor` restarts parts that exit. `parts` defines the embedded servers.

This package contains code that starts, supervises and stops processes. The worker and the API do not depend
on it, because they also run against external servers.
"""
