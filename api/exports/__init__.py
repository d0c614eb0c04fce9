"""Start, list, read, cancel and watch exports, which are flow runs in Prefect.

Code that presents flow runs as jobs belongs here. HTTP endpoints belong in `routes`, and the work of a run
belongs in `flows`.
"""
