"""Options of each command, and the scope options that only a report defines.

Belongs here: argparse declarations, their help texts and their checks.
Does not: requests to the service or printing.
"""
