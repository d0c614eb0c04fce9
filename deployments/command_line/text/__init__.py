"""Terminal output: progress, tables, and values in words.

Here: formatting of what the service answered, made safe for a terminal.
Not here: requests to the service or decisions about exit codes.
"""
