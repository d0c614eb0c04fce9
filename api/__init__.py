"""HTTP API and web page of the service.

The modules in this folder build the application and its shared context. The endpoints are in `routes`, and
`exports`, `schedules` and `tables` contain the logic behind them. Code that produces files or sends webhooks
belongs in `flows`.
"""
