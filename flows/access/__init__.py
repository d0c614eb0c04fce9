"""Read the stored API keys and check whether a run may still read its rows.

Code that identifies the caller of a request belongs in `api.access`, and row restrictions belong in
`flows.query`.
"""
