"""The table view of a report: pages of rows, cursors and choices of a scope.

Reads for a screen belong here. Reads of whole exports belong in `flows.sources`.
"""
