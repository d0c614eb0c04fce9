"""Export reports as Prefect flows, which read a report from its database and write it to storage.

The top-level modules are the three flows (`export`, `delivery`, `sweep`) and the code that all packages
share: errors, settings, logs and tracing. docs/architecture.md describes the packages.
"""
