"""HTTP code shared by all routes: error responses, strict JSON, headers, the request log and metrics.

Nothing in this package depends on exports, schedules or reports. Code that depends on them belongs in
`routes`, `exports`, `schedules` or `tables`.
"""
