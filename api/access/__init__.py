"""Access to the API: authentication, API keys, callers and their limits.

Code that decides who calls and how much they may use belongs here. Masking of columns belongs in
`flows.query`.
"""
