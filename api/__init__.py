"""HTTP API and web page of the service.

The modules in this folder build the application and its shared context. The endpoints are in `routes`. The
logic behind them is in `exports`, `schedules` and `tables`. Code that produces files or sends webhooks
belongs in `flows`.
"""
