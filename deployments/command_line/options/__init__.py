"""Command-line options, including the scope options that are defined by a report.

This package contains argparse declarations, help texts and validation. It does not send requests or print.
"""
