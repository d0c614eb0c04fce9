"""Authentication, API keys, callers and rate limits.

Code that identifies callers or limits their use of the API belongs here. Code that masks columns belongs
in `flows.query`.
"""
