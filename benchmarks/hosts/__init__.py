"""Run the service on several hosts, and lose some of them under load.

`make test-scale` runs this package.
"""
