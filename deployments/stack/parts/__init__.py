"""Embedded servers of the stack: PostgreSQL with its roles and sample data, S3 storage, and Prefect.

Each module configures, secures and starts one server. Choosing ports and restarting processes is the same for
every server and belongs in the parent package.
"""
