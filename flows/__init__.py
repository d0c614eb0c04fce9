"""Exports as Prefect flows: read a report from its database and write it to storage.

Modules here are the three flows (`export`, `delivery`, `sweep`) and what all packages use: errors, settings,
logs and tracing. Everything else belongs in the package that answers its question; see docs/architecture.md.
"""
