"""Programs that run the service: the command line, the warm worker and the local stack.

Belongs here: code that starts, registers or operates processes, and the commands of the terminal.
Does not: anything that an export, a schedule or an HTTP request needs (`flows`, `api`).
"""
