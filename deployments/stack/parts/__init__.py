"""The embedded servers of the stack: PostgreSQL, S3 storage and Prefect.

The modules configure, secure and start the servers, and load the sample data. Choosing ports and restarting
processes work the same way for every server, so that code belongs in the parent package.
"""
