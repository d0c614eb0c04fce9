"""Programs that run the service: the command line, the warm worker and the local stack.

Here: code that starts, registers or operates processes, and the commands of the terminal.
Not here: anything that an export, a schedule or an HTTP request needs (`flows`, `api`).
"""
