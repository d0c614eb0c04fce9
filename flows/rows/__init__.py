"""Define the types that carry rows from a source to a file, and apply the report's transform.

The tasks of an export pass these types to each other, and all sources and formats use them. The `sources`
package reads rows from a database, and the `formats` package writes files.
"""
