"""Write JSON Lines files. Each row is a JSON object whose names are the column keys.

`tokens` converts a column to JSON values, and `format` joins the columns and defines the format.
"""
