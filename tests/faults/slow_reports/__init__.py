"""Slow reports, which leave time to inject a fault."""
