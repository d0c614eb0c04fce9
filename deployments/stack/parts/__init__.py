"""The servers that come with the stack: PostgreSQL, S3 storage, Prefect."""
