"""One module per command: connect to the service, call it, print the result.

Here: `run(arguments)` for each command that calls the service.
Not here: option parsing (`options`), wording (`text`), or work that two commands share (the package above).
"""
