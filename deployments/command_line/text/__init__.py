"""Terminal output such as progress, tables and formatted values.

This package formats responses and makes them safe for a terminal. It does not send requests or choose exit
codes.
"""
