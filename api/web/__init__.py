"""HTTP code shared by all routes: error responses, strict JSON, headers, the request log and metrics.

Nothing in this package depends on exports, schedules or reports. Code that does belongs in `routes` or in
the packages behind it.
"""
