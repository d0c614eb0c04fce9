"""Embedded servers of the stack: PostgreSQL with its roles and sample data, S3 storage, and Prefect.

Each module knows how to configure, secure and start one server. The parent package chooses ports and restarts
processes, which is the same for every server.
"""
