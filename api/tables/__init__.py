"""Read pages of a report's rows and the choices for its scopes.

Queries for pages and choices belong here. Queries for whole exports belong in `flows.sources`.
"""
