"""Define the types that carry rows from a source to a file, and apply the report's transform.

The tasks of an export exchange objects of these types, and all sources and formats use the types. The
`sources` package reads rows from a database, and the `formats` package writes files.
"""
