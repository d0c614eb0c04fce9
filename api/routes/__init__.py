"""One module per resource: parse the request, call the package behind it, build the response.

Queries to Prefect, the database or storage belong in `exports`, `schedules` and `tables`.
"""
