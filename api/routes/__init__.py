"""HTTP endpoints, with one module for each resource.

An endpoint parses the request, calls other packages to do the work and builds the response. Code that talks
to Prefect, the database or storage belongs in `exports`, `schedules` and `tables`.
"""
