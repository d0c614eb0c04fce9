"""Parse the filters of a request. A filter contains values, or operators such as `gte` and `contains`.

Code that turns a filter into a condition of the statement belongs in the parent package.
"""
