"""Commands that each start one part of the service from its settings: API, worker, registration and sweep.

Code that starts several parts together belongs in `stack`. This package does not start third-party servers.
"""
