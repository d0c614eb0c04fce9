"""Local stack of `report-exports up`: PostgreSQL, an S3 server, Prefect, a worker and the API.

Code that starts, supervises and stops the embedded processes belongs here. The services themselves do not;
they run in the same way against external servers.
"""
