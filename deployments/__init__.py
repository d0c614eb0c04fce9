"""Programs that run the service: the command line, the warm worker and the local stack.

This package contains the terminal commands, and the code that registers deployments and starts or supervises
processes. Code that an export, a schedule or an HTTP request needs belongs in `flows` or `api`.
"""
