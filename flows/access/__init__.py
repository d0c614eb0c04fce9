"""Access of runs: API keys as stored, and whether one still covers what a run reads.

Code that identifies the caller of a request belongs in `api.access`, and row restrictions belong in
`flows.query`.
"""
