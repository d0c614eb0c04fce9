"""Define the types that carry rows from a source to a file, and apply the report's transform.

The tasks of an export pass objects of these types to each other, and every source and format uses them. The
`sources` package reads rows from a database, and the `formats` package writes files.
"""
