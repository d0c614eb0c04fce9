"""The servers that come with the stack: PostgreSQL with its roles and sample data, S3 storage, Prefect.

Code that knows how one of them is configured, secured and started belongs here. Ports, addresses and restarts
do not; they are the same for every part.
"""
