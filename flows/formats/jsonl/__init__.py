"""Write JSON Lines: one JSON object per row, with the column keys as names.

`tokens` converts a column to JSON, and `format` joins the columns and declares the format.
"""
