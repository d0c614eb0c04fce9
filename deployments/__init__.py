"""Programs that run the service: the command line, the warm worker and the local stack.

Belongs here: whatever starts, registers or operates processes, and what a user types in a terminal.
Does not: anything that an export, a schedule or an HTTP request needs (`flows`, `api`).
"""
