"""Start, list, read, cancel and watch exports. Each export is a flow run in Prefect.

Code that presents flow runs as jobs belongs here. HTTP endpoints belong in `routes`, and the code that a run
executes belongs in `flows`.
"""
