"""Write Excel workbooks as a stream.

`cells` converts a column to the XML of its cells, `parts` builds the other XML of the workbook, and `format`
joins everything and declares the format. Arrow builds the rows of a whole chunk, because the Python libraries
for workbooks need a call per cell.
"""
