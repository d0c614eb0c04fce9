"""Export reports with Prefect flows. An export reads rows from a database and stores them as a file.

The top-level modules contain the three flows (`export`, `delivery`, `sweep`) and the code that all packages
share: errors, settings, logs and tracing. docs/architecture.md describes the packages.
"""
