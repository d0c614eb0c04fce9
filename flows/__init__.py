"""Export reports with Prefect flows, which read rows from a database and store them as a file.

The top-level modules are the three flows (`export`, `delivery`, `sweep`) and the code that all packages
share: errors, settings, logs and tracing. docs/architecture.md describes the packages.
"""
