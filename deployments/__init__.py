"""Programs that run the service: the command line, the warm worker and the local stack.

This package contains code that starts, registers or operates processes, and the terminal commands. Code that
an export, a schedule or an HTTP request needs belongs in `flows` or `api`.
"""
