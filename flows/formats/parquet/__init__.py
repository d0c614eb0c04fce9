"""Write Parquet files with exact types.

`schema` chooses the type of each column, `arrays` converts the values to that type, and `format` writes the
file.
"""
