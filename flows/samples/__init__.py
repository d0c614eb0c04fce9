"""Define sample reports for the tables of the embedded sample database.

`report-exports up` adds this package to the catalog only if it starts that database.
"""
