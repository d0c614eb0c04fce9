"""Options of each command, and the scope options that only a report defines.

Here: argparse declarations, their help texts and their checks.
Not here: requests to the service or printing.
"""
