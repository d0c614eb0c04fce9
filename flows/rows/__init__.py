"""Rows on their way from a source to a file: columns, chunks, blocks, and the report's transform.

Here: what the tasks of an export pass to each other, and what every source and format needs of it.
Not here: reading from a database (`sources`), writing a file (`formats`).
"""
