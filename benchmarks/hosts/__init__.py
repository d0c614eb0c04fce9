"""Run the service on several hosts, and make some of them fail under load.

`make test-scale` runs this package.
"""
