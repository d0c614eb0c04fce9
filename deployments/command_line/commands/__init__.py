"""Commands that call the service and print the result.

Each module implements one command and has a `run` function. Option parsing belongs in `options` and
formatting in `text`. Code that several commands share belongs in the parent package.
"""
