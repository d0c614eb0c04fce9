"""Terminal output: progress, tables, and values in words.

Belongs here: formatting of what the service answered, made safe for a terminal.
Does not: requests to the service or decisions about exit codes.
"""
