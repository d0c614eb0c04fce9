"""Local stack of `report-exports up`: PostgreSQL, an S3 server, Prefect, a worker and the API.

`plan` decides ports, secrets, addresses and environment before the first process starts. `local` starts the
parts in order and stops them at a signal, `supervisor` restarts a part that ends, and `parts` describes the
servers that come with the stack.

Code that starts, supervises and stops the embedded processes belongs here. The services themselves do not;
they run in the same way against external servers.
"""
