"""HTTP API and web page of the service.

The modules in this folder build the application and its shared context. Endpoints live in `routes`, and the
logic behind them in `exports`, `schedules` and `tables`. Code that produces files or sends webhooks belongs
in `flows`.
"""
