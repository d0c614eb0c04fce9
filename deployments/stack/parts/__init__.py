"""The embedded servers of the stack: PostgreSQL, S3 storage and Prefect.

The modules configure, secure and start the servers, and load the sample data. The code that chooses ports and
restarts processes is the same for every server, so it belongs in the parent package.
"""
