"""One module per command: connect to the service, call it, print the result.

Belongs here: `run(arguments)` for each command that asks the service.
Does not: option parsing (`options`), wording (`text`), or work that two commands share (the package above).
"""
