"""Commands that call the service and print the result, with one module per command.

Each module has a function `run(arguments)`. Option parsing belongs in `options`, formatting in `text`, and
code that several commands share in the parent package.
"""
