"""Terminal output: progress, tables, and values in words.

Here: formatting of responses, made safe for a terminal.
Not here: requests to the service or decisions about exit codes.
"""
