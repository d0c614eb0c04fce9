"""HTTP plumbing that knows no resource: problems, strict JSON, headers, request log, metrics.

Code that mentions an export, a schedule or a report belongs in `routes` or the package behind it.
"""
