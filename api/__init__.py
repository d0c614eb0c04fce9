"""HTTP API and web page of the service.

Modules here build the application and its shared context. Resources belong in `routes`, and the work behind
them in `exports`, `schedules` and `tables`. Code that produces files or sends webhooks belongs in `flows`.
"""
