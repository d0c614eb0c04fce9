"""Write Excel workbooks as a stream.

`cells` converts columns to the XML of their cells, and `parts` builds the rest of the XML. `format` defines
the output format and combines the XML into a workbook. Arrow builds the XML of a whole chunk at once, because
Python's workbook libraries would need a call for each cell.
"""
