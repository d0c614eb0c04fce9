"""The CSV format: its options, header, records and the bytes of the file.

Modules that another format can use as well, such as the text of a cell, belong in the parent package.
"""
