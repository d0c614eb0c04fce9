"""Slow reports that give a test time to inject a fault."""
