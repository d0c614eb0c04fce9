"""Command-line options, including the options for the scopes of a report.

This package contains argparse declarations, help text and validation. It does not send requests or print.
"""
