"""Write CSV files.

Modules that other formats can use too, such as `cell_text`, belong in the parent package.
"""
